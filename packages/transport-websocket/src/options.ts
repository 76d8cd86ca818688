/**
 * Options of a WebSocket transport, and how they are checked. Nothing here needs Node.
 */
import {
  AddressTable,
  type ConnectionLimits,
  resolveConnectionLimits,
  type SocketAddress,
  UsageError,
} from "@kad/core";

/** The kinds of address that WebSocket carries. */
export type WebSocketKind = "ws" | "wss";

/** Of every WebSocket transport. */
export interface WebSocketClientOptions {
  /** Which kinds of address to dial. Default: both; in a page that was loaded by https, `wss` alone. */
  readonly dial?: readonly WebSocketKind[];
  /** See core's `ConnectionLimits`. */
  readonly limits?: Partial<ConnectionLimits>;
}

/** A certificate chain and its private key: as PEM, or as files with it. */
export type TlsOptions =
  | { readonly cert: string | Uint8Array; readonly key: string | Uint8Array }
  | { readonly certFile: string; readonly keyFile: string };

/** Of a transport that can listen, too. */
export interface WebSocketOptions extends WebSocketClientOptions {
  /**
   * Where to listen: `ws://` or `wss://` URLs with an IP address, at most 16. Port 0 lets the system choose; `0.0.0.0` and
   * `[::]` are every address of their family. Only requests for the URL's path are accepted. Absent or empty: it only dials.
   */
  readonly listen?: string | readonly string[];
  /**
   * What others are told to dial instead of where this listens, at most 16 URLs, host names allowed: the public URL of a
   * reverse proxy or a tunnel. Default: the addresses listened at; for every address, those of the interfaces.
   */
  readonly announce?: string | readonly string[];
  /** For `wss://` in `listen`. */
  readonly tls?: TlsOptions;
  /** Certificates of authorities to trust when dialling, as PEM, beside those that Node knows. */
  readonly ca?: string | readonly string[];
  /** Whether certificates of those who are dialled are checked. Default: true. */
  readonly rejectUnauthorized?: boolean;
  /** Origins from which pages may connect: `https://app.example`. Who sends no origin is no page. Default: any. */
  readonly origins?: readonly string[];
  /**
   * Whether the last entry of `X-Forwarded-For` is the host that a connection counts for: a proxy of ours has written it.
   * Without it, all who come through a proxy are one host, or none where the proxy is on loopback. Default: false.
   */
  readonly trustProxy?: boolean;
}

/** Longest message; the limit of the wire format. */
export const maxMessageBytes: number = 2 ** 20;

const webSocketKinds = ["ws", "wss"] as const;
const maxUrls = 16;

/** What a transport works with. */
export interface CheckedOptions extends WebSocketOptions {
  readonly kinds: readonly WebSocketKind[];
  readonly listenUrls: readonly string[];
  readonly announceUrls: readonly string[] | undefined;
  readonly checkedLimits: ConnectionLimits;
}

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function checkOptions(
  options: WebSocketOptions,
  dialByDefault: readonly WebSocketKind[] = webSocketKinds,
): CheckedOptions {
  const table = new AddressTable(); // only to read: the node's own table comes with open
  const listenUrls = urlsOf("listen", options.listen ?? [], 0);
  const announceUrls = options.announce === undefined ? undefined : urlsOf("announce", options.announce, 1);
  const listen = listenUrls.map((url) => listenAddress(url, table));
  for (const url of announceUrls ?? []) checkScheme("announce", url, table.parse(url));
  const isSecure = listen.some(({ scheme }) => scheme === "wss");
  if (isSecure && options.tls === undefined) {
    throw new UsageError(
      "invalidOption",
      "tls: is missing; allowed are a certificate and a key, for wss:// in listen",
    );
  }
  const { origins, dial = dialByDefault } = options;
  const wrong = origins?.find((origin) => !/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/i.test(origin));
  if (wrong !== undefined) {
    throw new UsageError(
      "invalidOption",
      `origins: "${wrong}"; allowed are origins such as https://app.example`,
    );
  }
  const unknown = dial.find((kind) => !webSocketKinds.includes(kind));
  if (unknown !== undefined)
    throw new UsageError("invalidOption", `dial: ${String(unknown)}; allowed are ws and wss`);
  const kinds = webSocketKinds.filter(
    (kind) => dial.includes(kind) || listen.some(({ scheme }) => scheme === kind),
  );
  return {
    ...options,
    kinds,
    listenUrls,
    announceUrls,
    checkedLimits: resolveConnectionLimits(options.limits ?? {}),
  };
}

function urlsOf(option: string, given: string | readonly string[], least: number): readonly string[] {
  const urls = typeof given === "string" ? [given] : [...given];
  if (urls.length >= least && urls.length <= maxUrls) return urls;
  throw new UsageError(
    "invalidOption",
    `${option}: ${urls.length} addresses; allowed are ${least} to ${maxUrls}`,
  );
}

/** @throws UsageError `invalidAddress` for what is no URL to listen at; a name is for who has a resolver */
function listenAddress(url: string, table: AddressTable): SocketAddress {
  const address = table.parse(url, { listening: true });
  checkScheme("listen", url, address);
  if (address.family !== undefined) return address;
  throw new UsageError("invalidAddress", `listen: "${url}"; allowed is an IP address in place of the name`);
}

function checkScheme(option: string, url: string, { scheme }: SocketAddress): void {
  if (scheme === "ws" || scheme === "wss") return;
  throw new UsageError("invalidAddress", `${option}: "${url}"; allowed are ws:// and wss:// URLs`);
}

/** The path of a listening URL, `/` where it has none. */
export function pathOf(address: SocketAddress): string {
  return /^wss?:\/\/[^/]*(\/.*)?$/.exec(address.key)?.[1] ?? "/";
}
