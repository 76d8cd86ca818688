/**
 * What core knows of an address: it is an opaque key that belongs to a link.
 *
 * Addresses are URLs to people and to transports (`udp://192.0.2.1:4100`), tagged bytes on the wire, and equality by
 * `key` to core. `AddressTable` is the native codec; a host with other addresses supplies its own.
 */

/** Interned by the {@link AddressCodec}: immutable, compared by `key`. */
export interface Address {
  /** Equality, and the text for logs: `udp://192.0.2.1:4100`. */
  readonly key: string;
  /** The address as it stands in messages. */
  readonly wire: Uint8Array;
  /** One bit that says of what kind it is; the bits of `want` in a request (udp4 1, udp6 2, tcp4 4, tcp6 8, ws 16, wss 32). */
  readonly kind: number;
  /** Which transport link it goes through: backpressure is per link. */
  readonly link: number;
  /** Largest message that fits on it, in bytes. */
  readonly maxBytes: number;
}

/** Reads and groups addresses. Synchronous; it is called inside a transition and may not call the node. */
export interface AddressCodec {
  /** The kinds that we can dial, as bits of {@link Address.kind}: what we ask others for. */
  readonly dialable: number;
  /**
   * The address that starts at `offset` and ends within `length` bytes; its `wire.length` says how many bytes it took.
   * `undefined` when malformed. The bytes are borrowed.
   */
  decode(bytes: Uint8Array, offset: number, length: number): Address | undefined;
  /** Whom requests are counted by, as any string: the host's address without the port. `undefined`: exempt. */
  source(address: Address): string | undefined;
  /**
   * The subnet that limits count by, as any string, and always the same for an address; `undefined` when it is exempt
   * (loopback).
   */
  group(address: Address): string | undefined;
}

/**
 * Kinds of address that anyone may write as the source of a message, and whose receiver sees the very address at which
 * the sender is reached: udp4 and udp6.
 */
export const datagramKinds = 0b11;

/** A contact's addresses: at most so many, and at most so many bytes together on the wire. */
export const maxAddresses = 4;
export const maxAddressesBytes = 192;
