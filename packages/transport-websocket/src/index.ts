/** `@kad/transport-websocket`: messages over WebSocket for a node, with servers and clients on the `ws` package. */
export type {
  TlsOptions,
  WebSocketClientOptions,
  WebSocketKind,
  WebSocketOptions,
} from "./options.ts";
export type { WebSocketTransport } from "./web-socket-transport.ts";
export { webSocket } from "./ws/web-socket.ts";
