/** `@kad/transport-udp`: datagrams for a node, on `node:dgram`. */
export type { UdpKind, UdpOptions } from "./udp-options.ts";
export { type UdpStats, UdpTransport, udp } from "./udp-transport.ts";
