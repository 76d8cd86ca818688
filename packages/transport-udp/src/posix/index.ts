/** `@kad/transport-udp/posix`: datagrams without Node's event loop, for loops that block. */
export type { UdpKind, UdpOptions } from "../udp-options.ts";
export { type PosixUdpStats, PosixUdpTransport, posixUdp } from "./posix-udp.ts";
export { watchedByNode } from "./watched-by-node.ts";
