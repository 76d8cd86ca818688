/**
 * How a node came into its network: waited for, and measured.
 */
import type { Plugin, QueryFinished, QueryStats } from "@kad/core";
import type { BootstrapFailed, DhtNode, DhtNodeEvents } from "@kad/dht";
import { exitCode } from "./exit-code.ts";
import { Failure, noAnswerAt } from "./failure.ts";

/** What the first walk of a node to its own id took. A plugin, since it is over before there is a node to ask. */
export class JoinWatch implements Plugin {
  stats: QueryStats | undefined;

  onQueryFinished({ result, stats }: QueryFinished): void {
    if (result.type === "nodes") this.stats ??= stats;
  }
}

export interface JoiningOptions {
  readonly seeds: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the number of contacts once a node that was made with `bootstrapRequired: false` has joined. To be called
 * in the turn in which `createNode` resolved.
 * @throws (rejects) Failure `unreachable`; BootstrapFailed when no address can be resolved; the signal's reason
 */
export async function untilJoined(node: DhtNode, options: JoiningOptions): Promise<number> {
  return await until(node, "node:join", ({ contacts }) => contacts, options);
}

/**
 * The same as soon as anybody answers. Who only asks needs no place in the network, and so no walk to it: that would wait
 * for each of its neighbours that has died.
 */
export async function untilAnswered(node: DhtNode, options: JoiningOptions): Promise<void> {
  await until(node, "peer:discovery", () => undefined, options);
}

async function until<K extends "node:join" | "peer:discovery", T>(
  node: DhtNode,
  event: K,
  outcomeOf: (detail: DhtNodeEvents[K]["detail"]) => T,
  { seeds, timeoutMs, signal }: JoiningOptions,
): Promise<T> {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let last: BootstrapFailed | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const listening = { signal: over.signal };
      const expire = (): void => reject(last ?? new Failure(exitCode.unreachable, noAnswerAt(seeds)));
      node.addEventListener(event, ({ detail }) => resolve(outcomeOf(detail)), listening);
      node.addEventListener(
        "bootstrap:failure",
        ({ detail }) => {
          last = detail;
          if (detail.seeds.every(isHopeless)) reject(detail);
        },
        listening,
      );
      signal.addEventListener("abort", () => reject(signal.reason), listening);
      if (signal.aborted) reject(signal.reason);
      timer = setTimeout(expire, timeoutMs);
    });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** A name that does not exist. */
function isHopeless({ cause }: { readonly cause?: unknown }): boolean {
  return cause instanceof Error && "isFinal" in cause && cause.isFinal === true;
}
