/** The backend on the platform's own `WebSocket`: a client. Needs no Node. */
import { type Connection, UsageError } from "@kad/core";
import { checkOptions, type WebSocketClientOptions } from "../options.ts";
import { type WebSocketOwner, WebSocketTransport } from "../web-socket-transport.ts";
import { BrowserSocket, type PlatformSocket } from "./browser-socket.ts";

export interface BrowserWebSocketOptions extends WebSocketClientOptions {
  /** The platform's class. Default: `globalThis.WebSocket`. */
  readonly WebSocket?: new (
    url: string,
  ) => PlatformSocket;
}

/** No event tells that something has left: what waits is looked at so often. */
const drainCheckMs = 50;

interface Platform {
  readonly WebSocket?: new (url: string) => PlatformSocket;
  readonly location?: { readonly protocol?: string };
}

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed; also without a `WebSocket` */
export function webSocket(options: BrowserWebSocketOptions = {}): WebSocketTransport {
  const platform = globalThis as Platform;
  const Socket = options.WebSocket ?? platform.WebSocket;
  if (Socket === undefined)
    throw new UsageError(
      "invalidOption",
      "WebSocket: the platform has none; allowed is a class like a browser's",
    );
  // A page that was loaded by https may open no plain connection.
  const isSecurePage = platform.location?.protocol === "https:";
  const { dial, limits } = options;
  const checked = checkOptions(
    { ...(dial === undefined ? {} : { dial }), ...(limits === undefined ? {} : { limits }) },
    isSecurePage ? ["wss"] : undefined,
  );
  return new WebSocketTransport(checked, {
    drainCheckMs,
    dial(owner: WebSocketOwner, connection: Connection, url: string) {
      const socket = new BrowserSocket(owner, connection, new Socket(url));
      owner.adopt(socket);
      return socket;
    },
  });
}
