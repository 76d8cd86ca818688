/**
 * The host's hooks, made safe: what one throws is reported as a {@link HookError}, and an answer that harms nobody
 * stands in for its own. So no message of a peer can throw through the node because of a fault in the host's code.
 *
 * Store and validators are guarded where they are called (`RecordKeeper`, `RecordTypes`), randomness in the
 * `RandomSource`, and write tokens in the `Responder`, since there the answer decides what is stored.
 */
import type { Address, AddressCodec } from "./address.ts";
import type { Contact } from "./contact.ts";
import { HookError, type KadError } from "./errors.ts";
import type { NodeId } from "./node-id.ts";
import type { Malformed, Message, Protocol, RequestType } from "./protocol.ts";

/** Told of every hook that throws; must not throw itself. */
export interface Reporter {
  report(error: KadError): void;
}

const unreadable: Malformed = { kind: "malformed", reason: "badBody" };

/** An address whose codec throws is unreadable, counts as a subnet and as a source of its own, and cannot be dialled. */
export class GuardedAddresses implements AddressCodec {
  readonly #addresses: AddressCodec;
  readonly #reporter: Reporter;

  constructor(addresses: AddressCodec, reporter: Reporter) {
    this.#addresses = addresses;
    this.#reporter = reporter;
  }

  get dialable(): number {
    try {
      return this.#addresses.dialable;
    } catch (error) {
      return this.#failed(error, 0);
    }
  }

  decode(bytes: Uint8Array, offset: number, length: number): Address | undefined {
    try {
      return this.#addresses.decode(bytes, offset, length);
    } catch (error) {
      return this.#failed(error, undefined);
    }
  }

  source(address: Address): string | undefined {
    try {
      return this.#addresses.source(address);
    } catch (error) {
      return this.#failed(error, address.key);
    }
  }

  group(address: Address): string | undefined {
    try {
      return this.#addresses.group(address);
    } catch (error) {
      return this.#failed(error, address.key);
    }
  }

  #failed<T>(error: unknown, otherwise: T): T {
    this.#reporter.report(new HookError("addresses", error));
    return otherwise;
  }
}

/** What cannot be read is malformed, and what cannot be written is not sent. */
export class GuardedProtocol implements Protocol {
  readonly name: string;
  readonly idBytes: number;
  readonly requests: ReadonlySet<RequestType>;
  readonly #protocol: Protocol;
  readonly #reporter: Reporter;

  constructor(protocol: Protocol, reporter: Reporter) {
    this.name = protocol.name;
    this.idBytes = protocol.idBytes;
    this.requests = protocol.requests;
    this.#protocol = protocol;
    this.#reporter = reporter;
  }

  decode(bytes: Uint8Array): Message | Malformed {
    try {
      return this.#protocol.decode(bytes);
    } catch (error) {
      return this.#failed(error, unreadable);
    }
  }

  encode(message: Message, into: Uint8Array, room: number, padded: boolean): number | undefined {
    try {
      return this.#protocol.encode(message, into, room, padded);
    } catch (error) {
      return this.#failed(error, undefined);
    }
  }

  knownContact(id: NodeId, address: Address): Contact | undefined {
    try {
      return this.#protocol.knownContact?.(id, address);
    } catch (error) {
      return this.#failed(error, undefined);
    }
  }

  #failed<T>(error: unknown, otherwise: T): T {
    this.#reporter.report(new HookError("protocol", error));
    return otherwise;
  }
}
