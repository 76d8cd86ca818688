/**
 * uWebSockets.js, where it can be had. It is not on the registry under its own name, and its binaries are for some versions of
 * Node only: a missing package is the user's to add, a missing binary is nobody's fault.
 */
import { UsageError } from "@kad/core";

/** What is used of a server's socket; it may not be touched after its close handler. */
export interface UwsSocketHandle {
  /** 1: gone; 0: waits for the other side; 2: dropped. Copies. */
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
  cork(callback: () => void): unknown;
  ping(): number;
  /** Says goodbye. Calls the close handler before it returns, and so does `close`. */
  end(code?: number, reason?: string): void;
  close(): void;
  getRemoteAddressAsText(): ArrayBuffer;
  getUserData(): unknown;
  /** Ours: what stands around it. A property is found faster than an entry of a map. */
  kad?: unknown;
}

interface UwsRequest {
  getHeader(name: string): string;
  getUrl(): string;
  getQuery(): string | undefined;
}

interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body?: string, closeConnection?: boolean): unknown;
  upgrade(userData: unknown, key: string, protocol: string, extensions: string, context: unknown): void;
}

export interface UwsBehavior {
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly upgrade: (response: UwsResponse, request: UwsRequest, context: unknown) => void;
  readonly open: (socket: UwsSocketHandle) => void;
  /** `message` is gone after it returns. */
  readonly message: (socket: UwsSocketHandle, message: ArrayBuffer, isBinary: boolean) => void;
  readonly drain: (socket: UwsSocketHandle) => void;
  readonly pong: (socket: UwsSocketHandle) => void;
  readonly close: (socket: UwsSocketHandle, code: number, message: ArrayBuffer) => void;
}

export interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): UwsApp;
  any(pattern: string, handler: (response: UwsResponse) => void): UwsApp;
  listen(host: string, port: number, onListening: (socket: unknown) => void): UwsApp;
  close(): unknown;
}

/** What is used of the package. */
export interface Uws {
  App(): UwsApp;
  SSLApp(options: { readonly cert_file_name: string; readonly key_file_name: string }): UwsApp;
  us_listen_socket_close(socket: unknown): void;
  us_socket_local_port(socket: unknown): number;
}

const uwsPackage = "uWebSockets.js";

/**
 * `undefined` where the package is there but does not run; a warning of the process says why.
 * @throws (rejects) UsageError `invalidOption` that says how to add the package
 */
export async function loadUws(
  load: () => Promise<unknown> = () => import("uWebSockets.js"),
): Promise<Uws | undefined> {
  try {
    return (await load()) as Uws;
  } catch (cause) {
    if (isMissing(cause)) {
      throw new UsageError(
        "invalidOption",
        `listen: ${uwsPackage} is not installed; "npm install ${uwsPackage}@npm:uws-pack@20.0.8" adds it, and ` +
          "webSocket of @kad/transport-websocket listens without it",
        { cause },
      );
    }
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    process.emitWarning(`${uwsPackage} does not run here, so the server is that of ws: ${why}`);
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return code === "ERR_MODULE_NOT_FOUND" && String(message).includes(uwsPackage);
}
