/**
 * A WebSocket server on Node's http and https with the `ws` package.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { listenErrorOf, type SocketAddress, UsageError } from "@kad/core";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { dialableAddresses, forwardedHost, isAllowedOrigin, remoteAddress } from "../listening.ts";
import { maxMessageBytes, pathOf, type TlsOptions } from "../options.ts";
import type { WebSocketListener, WebSocketOwner } from "../web-socket-transport.ts";
import { type CloseTimeout, WsSocket } from "./ws-socket.ts";

/** Requests that have not become a connection may be so many more than those that have. */
const maxHandshakes = 64;
/** How often Node looks for requests that take too long. */
const handshakeCheckMs = 1_000;

/** @throws (rejects) ListenError that names the address; UsageError `invalidOption` for a certificate that cannot be used */
export async function listenWithWs(owner: WebSocketOwner, listen: SocketAddress): Promise<WebSocketListener> {
  const server = makeServer(owner, listen);
  const options: ServerOptions & CloseTimeout = {
    noServer: true,
    clientTracking: false,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    closeTimeout: owner.options.checkedLimits.closeTimeoutMs,
  };
  const handshakes = new WebSocketServer(options);
  const refused = (): void => owner.connections.refused("handshake");
  handshakes.on("wsClientError", (_error, socket) => {
    refused();
    socket.destroy();
  });
  server.on("upgrade", (request, socket, head) => {
    const status = whyNot(owner, listen, request);
    if (status === undefined) {
      handshakes.handleUpgrade(request, socket, head, (webSocket) =>
        onOpen(owner, listen, webSocket, request, socket as Socket),
      );
      return;
    }
    refused();
    socket.on("error", () => undefined);
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  server.on("request", refuseRequest);
  server.on("drop", refused);
  server.on("clientError", (_error, socket) => {
    refused();
    socket.destroy();
  });
  const stopped = new Promise<void>((resolve) => server.once("close", resolve));
  const port = await bind(server, listen);
  server.on("error", (error) => owner.report(error));
  return {
    dialable: dialableAddresses(listen, port, owner.addresses),
    stop: () => void server.close(),
    free() {
      server.closeAllConnections();
      return stopped;
    },
    ref: () => void server.ref(),
    unref: () => void server.unref(),
  };
}

function makeServer({ options }: WebSocketOwner, listen: SocketAddress): Server {
  const { connectTimeoutMs, maxAccepted } = options.checkedLimits;
  const timeouts = {
    headersTimeout: connectTimeoutMs,
    requestTimeout: connectTimeoutMs,
    connectionsCheckingInterval: Math.min(handshakeCheckMs, connectTimeoutMs),
    noDelay: true,
  };
  const server =
    listen.scheme === "wss"
      ? makeSecureServer({ ...timeouts, handshakeTimeout: connectTimeoutMs }, options.tls as TlsOptions)
      : createServer(timeouts);
  server.maxConnections = maxAccepted + maxHandshakes;
  return server;
}

function makeSecureServer(options: object, tls: TlsOptions): Server {
  try {
    const { cert, key } =
      "certFile" in tls ? { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) } : tls;
    return createSecureServer({ ...options, cert: pemOf(cert), key: pemOf(key) });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(
      "invalidOption",
      `tls: it cannot be used (${why}); allowed are a certificate and its key, as PEM`,
      {
        cause,
      },
    );
  }
}

function pemOf(text: string | Uint8Array): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}

function bind(server: Server, listen: SocketAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(listenErrorOf(listen.key, error));
    server.once("error", fail);
    // Both families at once would give an IPv4 peer two addresses, and take the port in both.
    const where = { host: listen.host, port: listen.port, ipv6Only: listen.family === 6, exclusive: true };
    server.listen(where, () => {
      server.off("error", fail);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : listen.port);
    });
  });
}

/** The status line of a refusal. */
function whyNot(
  { options }: WebSocketOwner,
  listen: SocketAddress,
  { url, headers }: IncomingMessage,
): string | undefined {
  if (url !== pathOf(listen)) return "404 Not Found";
  return isAllowedOrigin(options.origins, headers.origin) ? undefined : "403 Forbidden";
}

function onOpen(
  owner: WebSocketOwner,
  listen: SocketAddress,
  webSocket: WebSocket,
  { headers }: IncomingMessage,
  raw: Socket & Duplex,
): void {
  const { connections, addresses, options } = owner;
  const forwarded = options.trustProxy === true ? forwardedHost(headers["x-forwarded-for"]) : undefined;
  const remote = remoteAddress(
    addresses,
    listen.scheme as "ws" | "wss",
    forwarded ?? raw.remoteAddress ?? "",
    raw.remotePort ?? 0,
  );
  const socket = new WsSocket(owner, webSocket, raw);
  if (remote === undefined) connections.refused("noAddress");
  const connection = remote === undefined ? undefined : connections.accept(performance.now(), remote, socket);
  if (connection === undefined) {
    socket.discard();
    return;
  }
  socket.connection = connection;
  owner.adopt(socket);
  owner.touched();
}

function refuseRequest(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { Connection: "close", Upgrade: "websocket", "Content-Type": "text/plain" });
  response.end("This is a WebSocket server of @kad/transport-websocket.\n");
}
