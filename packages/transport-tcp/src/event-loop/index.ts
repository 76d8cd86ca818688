/** `@kad/transport-tcp/event-loop`: whole messages over sockets that a small loop watches. */
export { EventLoop, type EventLoopOptions } from "./event-loop.ts";
export type {
  ClientHandlers,
  ClientSocket,
  ListenerHandlers,
  ListeningSocket,
  LoopSocket,
} from "./loop-socket.ts";
export { SocketError, type SocketErrorCode } from "./socket-error.ts";
