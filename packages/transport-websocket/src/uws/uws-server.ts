/**
 * A WebSocket server on uWebSockets.js.
 */
import { createServer } from "node:net";
import { type CloseReason, ListenError, listenErrorOf, type SocketAddress, UsageError } from "@kad/core";
import { dialableAddresses, forwardedHost, isAllowedOrigin, remoteAddress } from "../listening.ts";
import { pathOf } from "../options.ts";
import type { WebSocketListener, WebSocketOwner } from "../web-socket-transport.ts";
import type { Uws, UwsApp, UwsBehavior } from "./load-uws.ts";
import { Outbox } from "./outbox.ts";
import { UwsSocket } from "./uws-socket.ts";

/** Everything that waits is counted by `Connections`; this must only never be in its way. */
const maxBackpressure = 2 ** 31 - 1;
const highestPort = 65_535;

/** @throws (rejects) ListenError that names the address; UsageError `invalidOption` for a certificate that cannot be used */
export async function listenWithUws(
  uws: Uws,
  owner: WebSocketOwner,
  listen: SocketAddress,
): Promise<WebSocketListener> {
  await probe(listen);
  const app = makeApp(uws, owner, listen);
  app.ws("/*", behavior(owner, listen));
  app.any("/*", (response) => {
    response.writeStatus("426 Upgrade Required").writeHeader("Upgrade", "websocket");
    response.end("This is a WebSocket server of @kad/transport-websocket.\n", true);
  });
  const socket = await new Promise<unknown>((resolve, reject) => {
    app.listen(listen.host, listen.port, (listening) => {
      if (listening) resolve(listening);
      else reject(new ListenError("listenFailed", listen.key, new Error("uWebSockets.js could not listen")));
    });
  });
  let isListening = true;
  return {
    dialable: dialableAddresses(listen, uws.us_socket_local_port(socket), owner.addresses),
    stop() {
      if (isListening) uws.us_listen_socket_close(socket);
      isListening = false;
    },
    async free() {
      app.close();
    },
    ref() {},
    unref() {}, // it has none: its sockets keep the process alive
  };
}

/**
 * uWebSockets.js does not say why it cannot listen, and shares a port with whoever has taken it in the same way. So Node's own
 * server tries first.
 */
function probe(listen: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => reject(listenErrorOf(listen.key, error)));
    server.listen(
      { host: listen.host, port: listen.port, ipv6Only: listen.family === 6, exclusive: true },
      () => server.close(() => resolve()),
    );
  });
}

function makeApp(uws: Uws, { options }: WebSocketOwner, listen: SocketAddress): UwsApp {
  if (listen.scheme === "ws") return uws.App();
  const { tls } = options;
  if (tls === undefined || !("certFile" in tls)) {
    throw new UsageError(
      "invalidOption",
      "tls: a certificate in memory; allowed are { certFile, keyFile }: uWebSockets.js reads files",
    );
  }
  try {
    return uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile });
  } catch (cause) {
    throw new UsageError(
      "invalidOption",
      `tls: ${tls.certFile}, ${tls.keyFile}: uWebSockets.js cannot use them; allowed are a certificate and its key, as PEM`,
      { cause },
    );
  }
}

function behavior(owner: WebSocketOwner, listen: SocketAddress): UwsBehavior {
  const { connections, addresses, options, maxBytes } = owner;
  const path = pathOf(listen);
  const outbox = new Outbox();
  /** The instant of what is read in this turn of the loop: reading the clock costs as much as a message. */
  let turnMs: number | undefined;
  let lastPort = 0;

  const endTurn = (): void => {
    turnMs = undefined;
    owner.touched();
  };

  /** uWebSockets.js does not tell the port of the other end; a number of ours takes its place. */
  const remoteOf = (host: string): SocketAddress | undefined => {
    lastPort = (lastPort % highestPort) + 1;
    return remoteAddress(addresses, listen.scheme as "ws" | "wss", host, lastPort);
  };

  return {
    maxPayloadLength: 2 * maxBytes, // beyond it the connection is cut off without a word; below we say why
    maxBackpressure,
    idleTimeout: 0, // `Connections` has deadlines of its own
    sendPingsAutomatically: false,
    upgrade(response, request, context) {
      const query = request.getQuery();
      const url = query === undefined || query === "" ? request.getUrl() : `${request.getUrl()}?${query}`;
      const isAllowed = isAllowedOrigin(options.origins, request.getHeader("origin"));
      if (url !== path || !isAllowed) {
        connections.refused("handshake");
        response.writeStatus(url === path ? "403 Forbidden" : "404 Not Found").end("", true);
        return;
      }
      const forwarded =
        options.trustProxy === true ? forwardedHost(request.getHeader("x-forwarded-for")) : undefined;
      response.upgrade(
        { forwarded },
        request.getHeader("sec-websocket-key"),
        request.getHeader("sec-websocket-protocol"),
        request.getHeader("sec-websocket-extensions"),
        context,
      );
    },
    open(handle) {
      const { forwarded } = handle.getUserData() as { readonly forwarded: string | undefined };
      const remote = remoteOf(forwarded ?? textOf(handle.getRemoteAddressAsText()));
      const socket = new UwsSocket(owner, handle, outbox);
      if (remote === undefined) connections.refused("noAddress");
      const connection =
        remote === undefined ? undefined : connections.accept(performance.now(), remote, socket);
      if (connection === undefined) {
        handle.end(1_013, "too many connections"); // try again later
        return;
      }
      socket.connection = connection;
      handle.kad = socket;
      owner.adopt(socket);
      owner.touched();
    },
    message(handle, message, isBinary) {
      if (turnMs === undefined) {
        turnMs = performance.now();
        setImmediate(endTurn);
      }
      (handle.kad as UwsSocket | undefined)?.onMessage(turnMs, message, isBinary);
    },
    drain: (handle) => (handle.kad as UwsSocket | undefined)?.onDrain(),
    pong: (handle) => (handle.kad as UwsSocket | undefined)?.onPong(),
    close(handle, code, message) {
      (handle.kad as UwsSocket | undefined)?.onClose(reasonOf(code, textOf(message)));
    },
  };
}

/** What uWebSockets.js says of a connection that it has closed itself. */
function reasonOf(code: number, text: string): CloseReason {
  if (code !== 1_006) return "remote";
  if (/too big/i.test(text)) return "tooLarge";
  if (/invalid/i.test(text)) return "malformed";
  return /FIN/.test(text) ? "truncated" : "reset";
}

function textOf(bytes: ArrayBuffer): string {
  return new TextDecoder().decode(bytes);
}
