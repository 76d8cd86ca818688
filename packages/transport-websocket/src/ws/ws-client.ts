/** Dialling with the `ws` package. */
import type { Connection } from "@kad/core";
import { type ClientOptions, WebSocket } from "ws";
import { maxMessageBytes } from "../options.ts";
import type { ReferencedSocket, WebSocketOwner } from "../web-socket-transport.ts";
import { type CloseTimeout, WsSocket } from "./ws-socket.ts";

/** @throws SyntaxError for a URL that `ws` does not take */
export function dialWithWs(owner: WebSocketOwner, connection: Connection, url: string): ReferencedSocket {
  const { checkedLimits, ca, rejectUnauthorized = true } = owner.options;
  const options: ClientOptions & CloseTimeout = {
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handshakeTimeout: checkedLimits.connectTimeoutMs,
    closeTimeout: checkedLimits.closeTimeoutMs,
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca: typeof ca === "string" ? [ca] : [...ca] }),
  };
  const webSocket = new WebSocket(url, options);
  const socket = new WsSocket(owner, webSocket);
  socket.connection = connection;
  owner.adopt(socket);
  return socket;
}
