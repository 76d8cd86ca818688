/**
 * `struct sockaddr_in` and `sockaddr_in6`, and addresses as messages have them: both hold the same bytes in another order, so no
 * text is made or read on the way.
 *
 *     sockaddr_in   family 2 | port 2 | ip 4 | zeros 8
 *     sockaddr_in6  family 2 | port 2 | flow 4 | ip 16 | scope 4
 *     wire          tag 1 | ip 4 or 16 | port 2
 */
import type { AddressTable, SocketAddress } from "@kad/core";

export type UdpKind = "udp4" | "udp6";

/** Where systems differ. */
export interface SockaddrLayout {
  readonly afInet6: number;
  /** The first byte is the length of it all, and the family is one byte. */
  readonly hasLength: boolean;
}

export const afInet = 2;

/** Of this platform by default. macOS and Windows from their headers: written down, not run. */
export function sockaddrLayout(platform: string = process.platform): SockaddrLayout {
  if (platform === "darwin") return { afInet6: 30, hasLength: true };
  return { afInet6: platform === "win32" ? 23 : 10, hasLength: false };
}

const ipv4Bytes = 16;
const ipv6Bytes = 28;
/** Room for either, in steps of 8. */
export const sockaddrStride = 32;

export function sockaddrBytes(kind: UdpKind): number {
  return kind === "udp4" ? ipv4Bytes : ipv6Bytes;
}

/** An address of the wire, with room for the longest that UDP has. */
const wire = new Uint8Array(19);

/** Writes where a message goes, or where a socket is to be bound; all its bytes. */
export function writeSockaddr(
  address: SocketAddress,
  kind: UdpKind,
  layout: SockaddrLayout,
  into: Uint8Array,
  at: number,
): void {
  const length = address.writeWire(wire, 0);
  const ipAt = kind === "udp4" ? at + 4 : at + 8;
  into.fill(0, at, at + sockaddrBytes(kind));
  const family = kind === "udp4" ? afInet : layout.afInet6;
  if (layout.hasLength) {
    into[at] = sockaddrBytes(kind);
    into[at + 1] = family;
  } else {
    into[at] = family;
  }
  into[at + 2] = wire[length - 2] as number;
  into[at + 3] = wire[length - 1] as number;
  for (let i = 1; i < length - 2; i++) into[ipAt + i - 1] = wire[i] as number;
}

/** Who sent a message. `undefined` for one that nobody could answer: port 0, or an address that means something on one link only. */
export function readSockaddr(
  addresses: AddressTable,
  kind: UdpKind,
  from: Uint8Array,
  at: number,
): SocketAddress | undefined {
  const ipBytes = kind === "udp4" ? 4 : 16;
  const ipAt = kind === "udp4" ? at + 4 : at + 8;
  if (kind === "udp6" && !hasNoScope(from, at + 24)) return undefined;
  wire[0] = kind === "udp4" ? 1 : 2;
  for (let i = 0; i < ipBytes; i++) wire[1 + i] = from[ipAt + i] as number;
  wire[1 + ipBytes] = from[at + 2] as number;
  wire[2 + ipBytes] = from[at + 3] as number;
  return addresses.decode(wire, 0, 3 + ipBytes);
}

export function readSockaddrPort(from: Uint8Array, at: number): number {
  return ((from[at + 2] as number) << 8) | (from[at + 3] as number);
}

function hasNoScope(from: Uint8Array, at: number): boolean {
  return from[at] === 0 && from[at + 1] === 0 && from[at + 2] === 0 && from[at + 3] === 0;
}
