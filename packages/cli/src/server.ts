/**
 * Commands that are nodes: they join, and live until they are told to end.
 */
import type { NodeLimits } from "@kad/core";
import type { CreateNodeOptions, DhtNode } from "@kad/dht";
import { aborted } from "./abort.ts";
import type { FlagSpec, ValueSpec } from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";
import type { Io } from "./io.ts";
import { JoinWatch, untilJoined } from "./joining.ts";
import { schemeOf, timeout, url } from "./options.ts";
import type { Recording } from "./recording.ts";
import { type SecurityChoice, securityOf } from "./security-options.ts";
import type { ServerView } from "./server-view.ts";

export const listen: ValueSpec<string> & { readonly multiple: true } = {
  value: "URL",
  summary:
    "Where to listen: udp://IP:PORT, tcp://IP:PORT, ws://IP:PORT/PATH, port 0 for any free one; more than once for several",
  parse: url,
  multiple: true,
};

export const announced: ValueSpec<string> & { readonly multiple: true } = {
  value: "URL",
  summary:
    "What others are told to dial instead of where it listens, such as the public wss:// URL of a proxy; more than once",
  parse: url,
  multiple: true,
};

export const joinTimeout: ValueSpec<number> = {
  ...timeout,
  summary: "How long to try to join before giving up: 500ms, 10s, 2m; 10s by default",
};

export const exitWithStdin: FlagSpec = {
  summary: "End when standard input closes: with the program that started this one",
};

export interface ServerSettings {
  /** Empty: a free port. */
  readonly listen: readonly string[];
  /** What others are told to dial, where that differs. */
  readonly announced?: readonly string[];
  readonly bootstrap: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly security: SecurityChoice;
  readonly limits?: Partial<NodeLimits>;
  /** Of this node; whoever has opened it closes it. */
  readonly recording?: Recording | undefined;
}

const defaultTimeoutMs = 10_000;
/** Withdrawing and all else fits into the second in which a signal is obeyed. */
const closeTimeoutMs = 700;

/**
 * Joins, does `work`, and lives until `end`. However that comes, the node is closed then.
 * @throws (rejects) what joining and `work` come to, unless it was told to end
 */
export async function serve(
  settings: ServerSettings,
  view: ServerView,
  end: AbortSignal,
  work: (node: DhtNode) => Promise<void> = async () => undefined,
): Promise<void> {
  try {
    await serveUntil(settings, view, end, work);
  } catch (error) {
    if (!end.aborted) throw error;
  }
}

async function serveUntil(
  settings: ServerSettings,
  view: ServerView,
  end: AbortSignal,
  work: (node: DhtNode) => Promise<void>,
): Promise<void> {
  const { createNode } = await import("@kad/dht");
  const { bootstrap: seeds, timeoutMs = defaultTimeoutMs, limits = {}, recording } = settings;
  const join = new JoinWatch();
  const listenAt = settings.listen.length > 0 ? settings.listen : defaultListen(seeds);
  const node = await createNode({
    listen: listenAt,
    ...announcements(settings.announced ?? [], listenAt),
    bootstrap: seeds,
    ...(await securityOf(settings.security)),
    bootstrapRequired: false,
    closeTimeoutMs,
    limits,
    ...(recording !== undefined && { machine: recording.machine }),
    plugins: [join],
    report: (error) => view.error(error),
    signal: end,
  });
  try {
    node.addEventListener("peer:discovery", ({ detail }) => view.peer(detail));
    view.listening(node);
    if (recording !== undefined) view.recording(recording);
    if (seeds.length > 0) view.joined(await untilJoined(node, { seeds, timeoutMs, signal: end }), join);
    await work(node);
    await aborted(end);
  } finally {
    await node.close();
    view.stop();
  }
}

/** What each transport is to say of itself. @throws WrongUsage for a URL of a transport that does not listen */
function announcements(
  urls: readonly string[],
  listenAt: readonly string[],
): Pick<CreateNodeOptions, "udp" | "tcp" | "webSocket"> {
  const transports = { udp: "udp", tcp: "tcp", ws: "webSocket", wss: "webSocket" } as const;
  const transportOf = (text: string) => transports[schemeOf(text) ?? "udp"];
  const options: { -readonly [Name in "udp" | "tcp" | "webSocket"]?: { announce: string[] } } = {};
  for (const text of urls) {
    const name = transportOf(text);
    if (!listenAt.some((listening) => transportOf(listening) === name)) {
      throw new WrongUsage(`--announce ${oneLine(text)}: no --listen of that kind, so nobody would be there`);
    }
    options[name] ??= { announce: [] };
    options[name].announce.push(text);
  }
  return options;
}

/**
 * By what the seeds are reached. Loopback stays on loopback: nobody is exposed to the network who did not ask for it.
 */
export function defaultListen(seeds: readonly string[]): readonly string[] {
  const isLocal = seeds.every((seed) => /^[a-z]+:\/\/(127\.[0-9.]+|localhost|\[::1\])([:/]|$)/i.test(seed));
  const isIpv6 = (seed: string): boolean => /^[a-z]+:\/\/\[/i.test(seed);
  const [ipv4, ipv6] = isLocal ? ["127.0.0.1", "[::1]"] : ["0.0.0.0", "[::]"];
  const schemes = new Set(seeds.map((seed) => listeningSchemes[schemeOf(seed) ?? "udp"]));
  if (schemes.size === 0) schemes.add("udp");
  return [...schemes].flatMap((scheme) => {
    const own = seeds.filter((seed) => listeningSchemes[schemeOf(seed) ?? "udp"] === scheme);
    const hosts = [
      ...(own.length === 0 || !own.every(isIpv6) ? [ipv4] : []),
      ...(own.some(isIpv6) ? [ipv6] : []),
    ];
    return hosts.map((host) => `${scheme}://${host}:0`);
  });
}

/** Without a certificate nobody serves wss. */
const listeningSchemes = { udp: "udp", tcp: "tcp", ws: "ws", wss: "ws" } as const;

/** The signal, and the end of standard input where that counts. */
export function endOfRun(io: Io, withStdin: boolean): AbortSignal {
  if (!withStdin) return io.signal;
  const closed = new AbortController();
  readToEnd(io.stdin).then(
    () => closed.abort(),
    () => closed.abort(),
  );
  return AbortSignal.any([io.signal, closed.signal]);
}

async function readToEnd(input: AsyncIterable<unknown>): Promise<void> {
  for await (const _chunk of input);
}
