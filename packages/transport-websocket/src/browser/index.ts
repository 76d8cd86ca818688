/** `@kad/transport-websocket/browser`: messages over the platform's WebSocket, for a node in a page or a worker. */
export type { WebSocketClientOptions, WebSocketKind } from "../options.ts";
export type { WebSocketTransport } from "../web-socket-transport.ts";
export type { PlatformSocket } from "./browser-socket.ts";
export { type BrowserWebSocketOptions, webSocket } from "./web-socket.ts";
