/**
 * The host's hooks, made safe: what one throws is reported as a {@link HookError}, and an answer that harms nobody
 * stands in for its own. So no message of a peer can throw through the node because of a fault in the host's code.
 *
 * Store and validators are guarded where they are called (`RecordKeeper`, `RecordTypes`), randomness in the
 * `RandomSource`, and write tokens in the `Responder`, since there the answer decides what is stored.
 */
import type { Address, AddressCodec } from "./address.ts";
import { HookError, type KadError } from "./errors.ts";
import type { Malformed, Message, Protocol } from "./protocol.ts";

export type Report = (error: KadError) => void;

const unreadable: Malformed = { kind: "malformed", reason: "badBody" };

/** An address whose codec throws is unreadable, counts as a subnet and as a source of its own, and cannot be dialled. */
export function guardAddresses(addresses: AddressCodec, report: Report): AddressCodec {
  return {
    get dialable(): number {
      try {
        return addresses.dialable;
      } catch (error) {
        return failed("addresses", error, report, 0);
      }
    },
    decode(bytes: Uint8Array, offset: number, length: number): Address | undefined {
      try {
        return addresses.decode(bytes, offset, length);
      } catch (error) {
        return failed("addresses", error, report, undefined);
      }
    },
    source(address: Address): string | undefined {
      try {
        return addresses.source(address);
      } catch (error) {
        return failed("addresses", error, report, address.key);
      }
    },
    group(address: Address): string | undefined {
      try {
        return addresses.group(address);
      } catch (error) {
        return failed("addresses", error, report, address.key);
      }
    },
  };
}

/** What cannot be read is malformed, and what cannot be written is not sent. */
export function guardProtocol(protocol: Protocol, report: Report): Protocol {
  const { name, idBytes, requests } = protocol;
  return {
    name,
    idBytes,
    requests,
    decode(bytes: Uint8Array): Message | Malformed {
      try {
        return protocol.decode(bytes);
      } catch (error) {
        return failed("protocol", error, report, unreadable);
      }
    },
    encode(message: Message, into: Uint8Array, room: number, padded: boolean): number | undefined {
      try {
        return protocol.encode(message, into, room, padded);
      } catch (error) {
        return failed("protocol", error, report, undefined);
      }
    },
  };
}

/** Written out at each hook, for a closure for every call would cost more than the call. */
function failed<T>(hook: string, error: unknown, report: Report, otherwise: T): T {
  report(new HookError(hook, error));
  return otherwise;
}
