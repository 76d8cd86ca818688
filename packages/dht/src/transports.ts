/**
 * Which transports a node has: the schemes of the URLs that it listens at and dials decide.
 *
 * A node can dial what it listens with, and what its seeds are reached by: a client of `wss://` seeds opens no UDP socket.
 * Transports of streams are loaded when they are needed.
 */
import { networkInterfaces } from "node:os";
import { type ConnectionStats, type Transport, UsageError } from "@kad/core";
import type { TcpTransport } from "@kad/transport-tcp";
import { udp } from "@kad/transport-udp";
import type { WebSocketTransport } from "@kad/transport-websocket";
import { describe } from "./key.ts";
import { defined, demand } from "./option-checks.ts";
import type { CreateNodeOptions, Scheme } from "./options.ts";
import type { SeedInput } from "./seed-resolver.ts";

/** In the order in which others are told to try them: what needs no connection in front. */
const schemes: readonly Scheme[] = ["udp", "tcp", "ws", "wss"];

/** Counters and gauges of what keeps connections; absent where the node has no such transport. */
export interface NodeConnections {
  readonly tcp?: ConnectionStats;
  readonly webSocket?: ConnectionStats;
}

export interface NodeTransports {
  readonly transports: readonly Transport[];
  readonly connections: () => NodeConnections;
  /** Whether others are to reach this node. */
  readonly isListening: boolean;
  readonly carried: Carried;
}

/** What a node's transports carry: what it needs channels for. */
export interface Carried {
  readonly datagrams: boolean;
  readonly streams: boolean;
}

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export async function transportsOf(options: CreateNodeOptions): Promise<NodeTransports> {
  const { transports: own = [], mode } = options;
  const listen = listenUrls(options);
  const urls = (...wanted: readonly Scheme[]): readonly string[] =>
    listen.filter((url) => wanted.includes(listenScheme(url)));
  const used = new Set(listen.map(listenScheme));
  for (const scheme of dialledSchemes(options)) used.add(scheme);
  if (used.size === 0 && own.length === 0) used.add("udp");
  const transports: Transport[] = [];
  if (used.has("udp")) transports.push(await openUdp(options, udpUrls(urls("udp"))));
  const overTcp = used.has("tcp") ? await openTcp(options, urls("tcp")) : undefined;
  const overWeb =
    used.has("ws") || used.has("wss") ? await openWebSocket(options, urls("ws", "wss")) : undefined;
  if (overTcp !== undefined) transports.push(overTcp);
  if (overWeb !== undefined) transports.push(overWeb);
  return {
    transports: [...transports, ...own],
    connections: () => defined({ tcp: overTcp?.stats, webSocket: overWeb?.stats }),
    isListening: listen.length > 0 || (own.length > 0 && mode === "server"),
    carried: {
      datagrams: used.has("udp") || own.length > 0,
      streams: overTcp !== undefined || overWeb !== undefined || own.length > 0,
    },
  };
}

/** @throws UnavailableError where koffi is missing, or the platform is another one: it says what to install or to use instead */
async function openUdp(options: CreateNodeOptions, listen: readonly string[]): Promise<Transport> {
  const { sockets = "dgram", ...given } = options.udp ?? {};
  if (sockets === "dgram") return udp({ ...given, listen });
  demand(sockets === "posix", "udp.sockets", sockets, '"dgram" or "posix"');
  const { posixUdp, watchedByNode } = await import("@kad/transport-udp/posix");
  return watchedByNode(posixUdp({ ...given, listen }));
}

async function openTcp(options: CreateNodeOptions, listen: readonly string[]): Promise<TcpTransport> {
  const { tcp } = await import("@kad/transport-tcp");
  return tcp({ ...options.tcp, listen });
}

async function openWebSocket(
  options: CreateNodeOptions,
  listen: readonly string[],
): Promise<WebSocketTransport> {
  const { webSocket } = await import("@kad/transport-websocket");
  return webSocket({ ...options.webSocket, listen });
}

function listenUrls({ listen = [] }: CreateNodeOptions): readonly string[] {
  return typeof listen === "string" ? [listen] : listen;
}

/** @throws UsageError `invalidAddress` */
function listenScheme(url: unknown): Scheme {
  const scheme = schemeOf(url);
  if (scheme !== undefined) return scheme;
  const allowed = schemes.map((name) => `${name}://`).join(", ");
  throw new UsageError(
    "invalidAddress",
    `listen: ${describe(url)}; allowed are URLs that begin with ${allowed}`,
  );
}

/** What was asked for; else how the seeds are reached, where their URLs can be read at all. */
function dialledSchemes({ dial, bootstrap = [] }: CreateNodeOptions): readonly Scheme[] {
  if (dial === undefined) return bootstrap.flatMap((seed) => schemeOf(textOf(seed)) ?? []);
  const wrong = dial.find((scheme) => !schemes.includes(scheme));
  if (wrong === undefined) return dial;
  throw new UsageError("invalidOption", `dial: ${describe(wrong)}; allowed are ${schemes.join(", ")}`);
}

function textOf(seed: SeedInput): unknown {
  return typeof seed === "object" && seed !== null ? seed.address : seed;
}

function schemeOf(url: unknown): Scheme | undefined {
  const text = typeof url === "string" ? url.toLowerCase() : "";
  return schemes.find((scheme) => text.startsWith(`${scheme}://`));
}

/** Datagrams need a socket to be sent from: any free port of every address family that this machine has. */
function udpUrls(listen: readonly string[]): readonly string[] {
  if (listen.length > 0) return listen;
  const families = Object.values(networkInterfaces()).flatMap((of) => of?.map(({ family }) => family) ?? []);
  return families.includes("IPv6") ? ["udp://0.0.0.0:0", "udp://[::]:0"] : ["udp://0.0.0.0:0"];
}
