/**
 * Joining a network, and joining it again: asks the seeds until one answers, then walks to our own id (Kademlia §2.3).
 *
 * A round pings every seed at the same time and begins the walk with the first answer; so each seed that did not answer
 * has a reason of its own, at the price of one round trip. Rounds follow one another with growing pauses: a seed that
 * starts together with us is found. After the first join the table is looked at now and then, and whenever a query found
 * nobody: when it is empty, rounds begin anew. Host names are resolved in each round, since hosts move.
 */
import type { Commands, Plugin, QueryFinished, Seed } from "@kad/core";
import { onAbort } from "./abort.ts";
import { BootstrapFailed, NodeClosed, type SeedFailure, UnresolvableHost } from "./errors.ts";
import type { QueryPromises } from "./query-promises.ts";
import type { ParsedSeed, SeedResolver } from "./seed-resolver.ts";

/** A round waits so long for its seeds, then twice as long each time: the soft timeout of a new peer, twice. */
const firstRoundMs = 2_000;
/** Core's hard timeout: later answers would not be known any more. */
const longestRoundMs = 10_000;
/** The pause after the first round that failed, then twice as long each time. */
const firstPauseMs = 500;
const longestPauseMs = 60_000;
/** How often an empty table is looked for when no query tells of it. */
const tableCheckMs = 30_000;
/** Beyond the timers of the queries themselves: for resolvers of names that do not answer. */
const graceMs = 100;
/** Contacts that a walk begins with when others have found us before a seed answered. */
const knownContacts = 20;

export interface BootstrapperOptions {
  /** Asked again whenever the table is empty. */
  readonly seeds: readonly ParsedSeed[];
  readonly resolver: SeedResolver;
  readonly queries: QueryPromises;
  readonly commands: Commands;
  /** Aborts when the node closes. */
  readonly lifetime: AbortSignal;
  readonly onJoin: (contacts: number) => void;
  /** A round in the background ended without an answer. */
  readonly onFailure: (failure: BootstrapFailed) => void;
}

type Round =
  | { readonly type: "joined"; readonly contacts: number }
  | { readonly type: "failed"; readonly failures: readonly SeedFailure[] };

export class Bootstrapper implements Plugin {
  readonly #options: BootstrapperOptions;
  #wakeUp: (() => void) | undefined;

  constructor(options: BootstrapperOptions) {
    this.#options = options;
  }

  /** Nobody answered a query: perhaps we are alone. */
  onQueryFinished(finished: QueryFinished): void {
    if (finished.end === "exhausted" && this.#options.commands.table.size === 0) this.#wakeUp?.();
  }

  /**
   * Asks until a seed has answered and the walk is over; returns how many contacts answered it. `timeoutMs` is for the
   * seeds; the walk has the node's `queryTimeoutMs`.
   * @throws BootstrapFailed (rejects) when no seed has answered in time, or none can be resolved; NodeClosed; the signal's
   * reason
   */
  async join(seeds: readonly ParsedSeed[], timeoutMs: number, signal?: AbortSignal): Promise<number> {
    const endAtMs = performance.now() + timeoutMs;
    for (let attempt = 0; ; attempt++) {
      const waitMs = Math.min(roundMs(attempt), endAtMs - performance.now());
      const round = await this.#round(seeds, Math.max(1, Math.ceil(waitMs)), signal);
      if (round.type === "joined") return round.contacts;
      const leftMs = endAtMs - performance.now();
      if (leftMs < firstPauseMs || round.failures.every(isFinal))
        throw new BootstrapFailed(timeoutMs, round.failures);
      await this.#rest(Math.min(pauseMs(attempt), leftMs / 2), signal);
    }
  }

  /** Joins whenever the table is empty, until the node closes. Rejects only with what is a fault of ours. */
  async keepJoined(): Promise<void> {
    const { commands, lifetime } = this.#options;
    try {
      for (let attempt = 0; ; ) {
        if (commands.table.size > 0 && attempt === 0) await this.#untilDoubt();
        else attempt = await this.#tryToJoin(attempt);
        this.#check(undefined);
      }
    } catch (error) {
      if (!lifetime.aborted) throw error;
    }
  }

  /** Returns the number of the next attempt: 0 after a success. */
  async #tryToJoin(attempt: number): Promise<number> {
    const { seeds, onJoin, onFailure } = this.#options;
    const round = await this.#round(seeds, roundMs(attempt));
    if (round.type === "joined") {
      onJoin(round.contacts);
      return 0;
    }
    onFailure(new BootstrapFailed(roundMs(attempt), round.failures));
    await this.#rest(pauseMs(attempt));
    return attempt + 1;
  }

  async #round(seeds: readonly ParsedSeed[], waitMs: number, signal?: AbortSignal): Promise<Round> {
    const { commands } = this.#options;
    if (commands.table.size > 0)
      return await this.#walk(commands.table.closest(commands.id, knownContacts), signal);
    const resolved: Seed[] = [];
    const failures = await this.#knockAll(seeds, resolved, waitMs, signal);
    return failures === undefined ? await this.#walk(resolved, signal) : { type: "failed", failures };
  }

  /** Pings all seeds; `undefined` as soon as one has answered, which ends the other pings. */
  async #knockAll(
    seeds: readonly ParsedSeed[],
    resolved: Seed[],
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly SeedFailure[] | undefined> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(new Error(`no address within ${waitMs} ms`)), waitMs + graceMs);
    const releases = this.#onEnd(signal, () => stop.abort());
    try {
      const knocks = seeds.map((seed) => this.#knock(seed, resolved, waitMs, stop.signal));
      const answered = await Promise.any(knocks.map(rejectFailure)).catch(() => undefined);
      stop.abort();
      this.#check(signal);
      return answered === undefined ? definedOnly(await Promise.all(knocks)) : undefined;
    } finally {
      clearTimeout(timer);
      for (const release of releases) release();
    }
  }

  /** Never rejects; `undefined`: the seed has answered. */
  async #knock(
    seed: ParsedSeed,
    resolved: Seed[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<SeedFailure | undefined> {
    const { queries, commands, resolver } = this.#options;
    const address = seed.text;
    try {
      const to = await resolver.resolve(seed, signal);
      resolved.push(to);
      const { result } = await queries.run((nowMs) => commands.ping(nowMs, to, { timeoutMs: waitMs }), {
        signal,
      });
      if (result.type === "pong" && result.contact !== undefined) return undefined;
      const reason = result.type === "pong" ? result.reason : undefined;
      return {
        address,
        reason: reason === undefined || reason === "noAnswer" ? `no answer within ${waitMs} ms` : reason,
      };
    } catch (cause) {
      return { address, reason: cause instanceof Error ? cause.message : String(cause), cause };
    }
  }

  async #walk(seeds: readonly Seed[], signal: AbortSignal | undefined): Promise<Round> {
    const { queries, commands } = this.#options;
    const { result, end } = await queries.run((nowMs) => commands.bootstrap(nowMs, seeds), { signal });
    const contacts = result.type === "nodes" ? result.contacts.length : 0;
    if (contacts > 0) return { type: "joined", contacts };
    const addresses = seeds.map((seed) => seed.addresses.map(({ key }) => key).join(", "));
    return {
      type: "failed",
      failures: addresses.map((address) => ({ address, reason: `no answer to findNode (${end})` })),
    };
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#options.lifetime.aborted) throw new NodeClosed();
  }

  /** @throws NodeClosed, or the signal's reason */
  async #rest(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#sleep(ms, signal);
    this.#check(signal);
  }

  /** Until the next look at the table, or until a query has found nobody. */
  async #untilDoubt(): Promise<void> {
    await this.#sleep(tableCheckMs, undefined, (wakeUp) => {
      this.#wakeUp = wakeUp;
    });
    this.#wakeUp = undefined;
  }

  /** Ends early when the node closes, the signal aborts, or `wakeable`'s function is called. Keeps no process alive. */
  #sleep(
    ms: number,
    signal: AbortSignal | undefined,
    wakeable?: (wakeUp: () => void) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(end, ms);
      const releases = this.#onEnd(signal, end);
      timer.unref();
      wakeable?.(end);
      function end(): void {
        clearTimeout(timer);
        for (const release of releases) release();
        resolve();
      }
    });
  }

  /** Calls back when the node closes or the signal aborts. */
  #onEnd(signal: AbortSignal | undefined, callback: () => void): (() => void)[] {
    const release = onAbort(this.#options.lifetime, callback);
    return signal === undefined ? [release] : [release, onAbort(signal, callback)];
  }
}

function roundMs(attempt: number): number {
  return Math.min(firstRoundMs * 2 ** attempt, longestRoundMs);
}

function pauseMs(attempt: number): number {
  return Math.min(firstPauseMs * 2 ** attempt, longestPauseMs);
}

/** A name that does not exist will not come to exist while we wait; a resolver that is not reachable yet may. */
function isFinal(failure: SeedFailure): boolean {
  return failure.cause instanceof UnresolvableHost && failure.cause.isFinal;
}

async function rejectFailure(knock: Promise<SeedFailure | undefined>): Promise<true> {
  if ((await knock) !== undefined) throw new Error("this seed did not answer");
  return true;
}

function definedOnly<T>(values: readonly (T | undefined)[]): readonly T[] {
  return values.filter((value) => value !== undefined);
}
