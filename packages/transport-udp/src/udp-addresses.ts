/** Which socket a message leaves by, and where others reach a socket. */
import { networkInterfaces } from "node:os";
import { type Address, type AddressTable, SocketAddress, UsageError } from "@kad/core";
import { kindOf, type UdpKind } from "./udp-options.ts";

/** A bound socket. */
export interface BoundSocket {
  /** The address that it is bound to, and replies leave from; `undefined` when that is every address. */
  readonly local: SocketAddress | undefined;
  readonly isLoopback: boolean;
}

/** @throws UsageError `invalidAddress` for an address that no transport of datagrams of these families carries */
export function carriedAddress(
  remote: Address,
  kinds: readonly UdpKind[],
  addresses: AddressTable | undefined,
): SocketAddress {
  const to = remote instanceof SocketAddress ? remote : addresses?.decode(remote.wire, 0, remote.wire.length);
  if (to?.scheme === "udp" && kinds.includes(kindOf(to))) return to;
  throw new UsageError("invalidAddress", `${remote.key}: this transport carries ${kinds.join(" and ")}`);
}

/** The socket of this family that the peer's message came in by; else one that can reach the peer. */
export function socketFor<S extends BoundSocket>(
  sockets: readonly S[],
  to: SocketAddress,
  local: Address | undefined,
): S | undefined {
  if (sockets.length <= 1) return sockets[0];
  const same = local && sockets.find((socket) => socket.local?.key === local.key);
  return same ?? sockets.find((socket) => socket.isLoopback === isLoopback(to.host)) ?? sockets[0];
}

/**
 * Where others reach a socket: the address it is bound to; where that is every address, those of the interfaces, without
 * loopback and link-local ones, which mean nothing elsewhere.
 */
export function dialableAddresses(
  kind: UdpKind,
  local: SocketAddress | undefined,
  port: number,
  addresses: AddressTable,
): SocketAddress[] {
  if (local !== undefined) return [local];
  const family = kind === "udp4" ? "IPv4" : "IPv6";
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(
      (entry) => entry.family === family && !entry.internal && !/^(fe[89ab]|169\.254\.)/i.test(entry.address),
    )
    .flatMap((entry) => addresses.fromSocket(kind, entry.address, port) ?? []);
}

export function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}
