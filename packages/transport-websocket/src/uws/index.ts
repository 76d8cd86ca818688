/** `@kad/transport-websocket/uws`: messages over WebSocket for a node, with a server on uWebSockets.js. */
export type {
  TlsOptions,
  WebSocketClientOptions,
  WebSocketKind,
  WebSocketOptions,
} from "../options.ts";
export type { WebSocketTransport } from "../web-socket-transport.ts";
export { webSocket } from "./web-socket.ts";
