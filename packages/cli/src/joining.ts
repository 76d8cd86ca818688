/**
 * How a node came into its network: waited for, and measured.
 */
import type { Plugin, QueryFinished, QueryStats } from "@kad/core";
import type { BootstrapFailed, DhtNode } from "@kad/dht";
import { exitCode } from "./exit-code.ts";
import { Failure, noAnswerAt } from "./failure.ts";

/** What the first walk of a node to its own id took. A plugin, since it is over before there is a node to ask. */
export class JoinWatch implements Plugin {
  stats: QueryStats | undefined;

  onQueryFinished({ result, stats }: QueryFinished): void {
    if (result.type === "nodes") this.stats ??= stats;
  }
}

/**
 * Resolves with the number of contacts once a node that was made with `bootstrapRequired: false` has joined. To be called
 * in the turn in which `createNode` resolved.
 * @throws (rejects) Failure `unreachable`; BootstrapFailed when no address can be resolved; the signal's reason
 */
export async function untilJoined(
  node: DhtNode,
  seeds: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let last: BootstrapFailed | undefined;
  try {
    return await new Promise<number>((resolve, reject) => {
      const listening = { signal: over.signal };
      const expire = (): void => reject(last ?? new Failure(exitCode.unreachable, noAnswerAt(seeds)));
      node.addEventListener("node:join", ({ detail }) => resolve(detail.contacts), listening);
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
