/**
 * The host's hooks, made safe: what one throws is reported as a {@link HookError}, and an answer that harms nobody
 * stands in for its own. So no message of a peer can throw through the node because of a fault in the host's code.
 *
 * Store and validators are guarded where they are called (`RecordKeeper`, `RecordTypes`), and write tokens in the
 * `Responder`, since there the answer decides what is stored.
 */
import type { Address, AddressCodec } from "./address.ts";
import { HookError, type KadError } from "./errors.ts";
import type { Malformed, Message, Protocol } from "./protocol.ts";

export type Report = (error: KadError) => void;

/** `fill` returns `false` where the hook threw: the bytes are not random then, and nothing secret may be made of them. */
export interface GuardedRandom {
  fill(into: Uint8Array): boolean;
}

const unreadable: Malformed = { kind: "malformed", reason: "badBody" };

/** An address whose codec throws is unreadable, counts as a subnet and as a source of its own, and cannot be dialled. */
export function guardAddresses(addresses: AddressCodec, report: Report): AddressCodec {
  const guard = <T>(call: () => T, otherwise: T): T => guarded("addresses", call, otherwise, report);
  return {
    get dialable(): number {
      return guard(() => addresses.dialable, 0);
    },
    decode: (bytes: Uint8Array, offset: number, length: number) =>
      guard(() => addresses.decode(bytes, offset, length), undefined),
    source: (address: Address) => guard(() => addresses.source(address), address.key),
    group: (address: Address) => guard(() => addresses.group(address), address.key),
  };
}

export function guardRandom(random: { fill(into: Uint8Array): void }, report: Report): GuardedRandom {
  return {
    fill: (into: Uint8Array) =>
      guarded(
        "random",
        () => {
          random.fill(into);
          return true;
        },
        false,
        report,
      ),
  };
}

/** What cannot be read is malformed, and what cannot be written is not sent. */
export function guardProtocol(protocol: Protocol, report: Report): Protocol {
  const { name, idBytes, requests } = protocol;
  const guard = <T>(call: () => T, otherwise: T): T => guarded("protocol", call, otherwise, report);
  return {
    name,
    idBytes,
    requests,
    decode: (bytes: Uint8Array) => guard<Message | Malformed>(() => protocol.decode(bytes), unreadable),
    encode: (message: Message, into: Uint8Array, room: number, padded: boolean) =>
      guard(() => protocol.encode(message, into, room, padded), undefined),
  };
}

function guarded<T>(hook: string, call: () => T, otherwise: T, report: Report): T {
  try {
    return call();
  } catch (error) {
    report(new HookError(hook, error));
    return otherwise;
  }
}
