/**
 * A host's socket: one address of one family, public or behind a NAT.
 */
import type { Path, SocketAddress } from "@kad/core";
import type { Nat } from "./nat.ts";
import type { SimHost } from "./sim-host.ts";

/** Headers of IP and UDP (RFC 791, RFC 8200, RFC 768). */
const headerBytes = { 4: 20 + 8, 6: 40 + 8 } as const;

export class Endpoint {
  readonly host: SimHost;
  /** What the host itself sees: behind a NAT a private address. */
  readonly address: SocketAddress;
  readonly nat: Nat | undefined;
  /** What others see of it where there is no NAT; one object for all messages. */
  readonly path: Path;
  readonly headerBytes: number;

  constructor(host: SimHost, address: SocketAddress, nat: Nat | undefined) {
    this.host = host;
    this.address = address;
    this.nat = nat;
    this.path = { remote: address, dialable: true };
    this.headerBytes = headerBytes[address.family === 6 ? 6 : 4];
  }
}
