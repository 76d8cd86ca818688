/**
 * Commands that are nodes: they join, and live until they are told to end.
 */
import type { NodeLimits } from "@kad/core";
import type { DhtNode } from "@kad/dht";
import { aborted } from "./abort.ts";
import type { FlagSpec, ValueSpec } from "./command.ts";
import type { Io } from "./io.ts";
import { JoinWatch, untilJoined } from "./joining.ts";
import { timeout, url } from "./options.ts";
import type { ServerView } from "./server-view.ts";

export const listen: ValueSpec<string> & { readonly multiple: true } = {
  value: "URL",
  summary: "Where to listen: udp://IP:PORT, port 0 for any free one; more than once for IPv4 and IPv6",
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
  readonly bootstrap: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly limits?: Partial<NodeLimits>;
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
  const { bootstrap: seeds, timeoutMs = defaultTimeoutMs, limits = {} } = settings;
  const join = new JoinWatch();
  const node = await createNode({
    listen: settings.listen.length > 0 ? settings.listen : defaultListen(seeds),
    bootstrap: seeds,
    security: "none",
    bootstrapRequired: false,
    closeTimeoutMs,
    limits,
    plugins: [join],
    report: (error) => view.error(error),
    signal: end,
  });
  try {
    node.addEventListener("peer:discovery", ({ detail }) => view.peer(detail));
    view.listening(node);
    if (seeds.length > 0) view.joined(await untilJoined(node, { seeds, timeoutMs, signal: end }), join);
    await work(node);
    await aborted(end);
  } finally {
    await node.close();
    view.stop();
  }
}

/** Loopback stays on loopback: nobody is exposed to the network who did not ask for it. */
export function defaultListen(seeds: readonly string[]): readonly string[] {
  const isLocal = seeds.every((seed) => /^udp:\/\/(127\.[0-9.]+|localhost|\[::1\]):/i.test(seed));
  const isIpv6 = (seed: string): boolean => /^udp:\/\/\[/i.test(seed);
  const needsIpv4 = seeds.length === 0 || seeds.some((seed) => !isIpv6(seed));
  const ipv4 = isLocal ? "udp://127.0.0.1:0" : "udp://0.0.0.0:0";
  const ipv6 = isLocal ? "udp://[::1]:0" : "udp://[::]:0";
  return [...(needsIpv4 ? [ipv4] : []), ...(seeds.some(isIpv6) ? [ipv6] : [])];
}

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
