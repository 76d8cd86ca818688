/** `@kad/transport-tcp`: whole messages over TCP for a node, on `node:net`. */
export { type TcpKind, type TcpOptions, type TcpStats, TcpTransport, tcp } from "./tcp-transport.ts";
