/** `@kad/transport-udp`: datagrams for a node, on `node:dgram`. */
export { type UdpKind, type UdpOptions, type UdpStats, UdpTransport, udp } from "./udp-transport.ts";
