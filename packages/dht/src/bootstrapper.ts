/**
 * Joining a network, and joining it again: asks the seeds until one answers, then walks to our own id (Kademlia §2.3).
 *
 * A round pings every seed at the same time and begins the walk with those that answered; so a seed that did not answer
 * has a reason of its own and delays nothing, at the price of one round trip. Rounds follow one another with growing
 * pauses: a seed that starts together with us is found. Later, rounds begin anew when the table is empty, when nobody
 * answers any more, or when a walk found nobody at all: then our contacts may all be gone. While the table is small, the
 * seeds are asked every five minutes: a few nodes that know only each other would else stay an island. Host names are
 * resolved in each round, since hosts move.
 */
import type { Commands, Contact, FailureReason, InstantMs, Plugin, QueryFinished, QueryId } from "@kad/core";
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
/** How often a table is looked for that is empty, or of which nobody answers. */
const tableCheckMs = 30_000;
/** How often a node with few contacts looks for others: it may be on an island. */
const smallTablePauseMs = 300_000;
/** How long the other seeds have after the first answer, at least; and resolvers of names after the queries' own time. */
const minGraceMs = 100;
/** Contacts that a walk begins with when others have found us before a seed answered. */
const knownContacts = 20;

export interface BootstrapperOptions {
  /** Asked again whenever the table is empty. */
  readonly seeds: readonly ParsedSeed[];
  readonly resolver: SeedResolver;
  readonly queries: QueryPromises;
  readonly commands: Commands;
  /** Contacts below which we may be on an island: `limits.smallTableSize`. */
  readonly smallTableSize: number;
  /** Whether we encrypt. */
  readonly isSecure: boolean;
  readonly onJoin: (contacts: number) => void;
  /** A round in the background ended without an answer. */
  readonly onFailure: (failure: BootstrapFailed) => void;
  /** What went wrong in the background by a fault of ours. */
  readonly report: (error: unknown) => void;
}

/** How one seed took it. */
type Knock =
  | { readonly type: "answered"; readonly contact: Contact }
  | { readonly type: "failed"; readonly failure: SeedFailure };

type Round =
  | { readonly type: "joined"; readonly contacts: number }
  | { readonly type: "failed"; readonly failures: readonly SeedFailure[] };

export class Bootstrapper implements Plugin {
  readonly #options: BootstrapperOptions;
  /** What ends a pause between two attempts early: a peer has entered the table. */
  #onFound: (() => void) | undefined = undefined;
  /** What to call when it is stopped. */
  #onStop: readonly (() => void)[] = [];
  #isStopped = false;
  #isJoining = false;
  /** When the seeds were asked last. */
  #askedAtMs = 0;
  #tableCheck: NodeJS.Timeout | undefined = undefined;

  constructor(options: BootstrapperOptions) {
    this.#options = options;
  }

  /** Nobody answered a walk: perhaps we are alone. (A peer that is asked alone proves nothing.) */
  onQueryFinished({ end, result }: QueryFinished): void {
    const isLonely = end === "exhausted" && result.type !== "pong" && result.type !== "reply";
    if (isLonely && this.#tableCheck !== undefined) this.#inBackground(() => this.#tryUntilJoined());
  }

  onNodeDiscovered(): void {
    this.#onFound?.();
  }

  /**
   * Asks until a seed has answered and the walk is over; returns how many contacts answered it. `timeoutMs` is for the
   * seeds; the walk has the node's `queryTimeoutMs`.
   * @throws BootstrapFailed (rejects) when no seed has answered in time, or none can be resolved; NodeClosed; the signal's
   * reason
   */
  async join(seeds: readonly ParsedSeed[], timeoutMs: number, signal?: AbortSignal): Promise<number> {
    const endAtMs = performance.now() + timeoutMs;
    const reasons = new Map<string, SeedFailure>();
    for (let attempt = 0; ; attempt++) {
      const waitMs = Math.min(roundMs(attempt), endAtMs - performance.now());
      const round = await this.#round(seeds, Math.max(1, Math.ceil(waitMs)), signal);
      if (round.type === "joined") return round.contacts;
      for (const failure of round.failures) {
        const wasSilence = (reasons.get(failure.address)?.code ?? "noAnswer") === "noAnswer";
        if (failure.code !== "noAnswer" || wasSilence) reasons.set(failure.address, failure);
      }
      const leftMs = endAtMs - performance.now();
      if (leftMs < firstPauseMs || round.failures.every(isFinal))
        throw this.#failure(timeoutMs, [...reasons.values()]);
      await this.#rest(Math.min(pauseMs(attempt), leftMs / 2), signal);
    }
  }

  /** From here on joins again whenever that is in doubt. Nothing is pending meanwhile but a timer that keeps no process alive. */
  keepJoined(): void {
    this.#askedAtMs = performance.now();
    this.#tableCheck = setInterval(() => this.#checkTable(), tableCheckMs);
    this.#tableCheck.unref();
    this.#checkTable();
  }

  /** The node closes: whatever waits here rejects with {@link NodeClosed}, and nobody joins any more. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#tableCheck);
    this.#tableCheck = undefined;
    for (const callback of this.#onStop) callback();
  }

  #checkTable(): void {
    const { commands, smallTableSize } = this.#options;
    const isDue = performance.now() - this.#askedAtMs > smallTablePauseMs;
    if (isAlone(commands)) this.#inBackground(() => this.#tryUntilJoined());
    else if (isDue && commands.table.size < smallTableSize) this.#inBackground(() => this.#lookForLand());
  }

  /** One thing at a time: whoever asks the seeds asks for all. */
  #inBackground(work: () => Promise<unknown>): void {
    if (this.#isJoining) return;
    this.#isJoining = true;
    work()
      .catch((error: unknown) => {
        if (!this.#isStopped) this.#options.report(error);
      })
      .finally(() => {
        this.#isJoining = false;
        this.#askedAtMs = performance.now();
      });
  }

  async #tryUntilJoined(): Promise<void> {
    for (let attempt: number | undefined = 0; attempt !== undefined; ) {
      attempt = await this.#tryToJoin(attempt);
      this.#check(undefined);
    }
  }

  /** A seed that is none of our few contacts may know more. Nothing is wrong if none answers: others do. */
  async #lookForLand(): Promise<void> {
    const { seeds, commands } = this.#options;
    const known = new Set(commands.table.contacts().map(({ id }) => id.key));
    const knocks = await this.#knockAll(seeds, longestRoundMs, undefined);
    const strangers = knocks.flatMap((knock) =>
      knock.type === "answered" && !known.has(knock.contact.id.key) ? [knock.contact] : [],
    );
    if (strangers.length > 0) await this.#walk(strangers);
  }

  /** Returns the number of the next attempt; `undefined`: none is needed, we have joined. */
  async #tryToJoin(attempt: number): Promise<number | undefined> {
    const { seeds, commands, onJoin, onFailure } = this.#options;
    const wasAlone = commands.table.size === 0;
    // Others may have found us meanwhile. But contacts that are gone must not keep us from the seeds: so by turns.
    const known = attempt % 2 === 0 ? commands.table.closest(commands.id, knownContacts) : [];
    const round = known.length > 0 ? await this.#walk(known) : await this.#round(seeds, roundMs(attempt));
    if (round.type === "joined") {
      onJoin(round.contacts);
      return undefined;
    }
    onFailure(this.#failure(roundMs(attempt), round.failures));
    if (wasAlone && commands.table.size > 0) return 0;
    return (await this.#isFoundWithin(pauseMs(attempt))) ? 0 : attempt + 1;
  }

  async #round(seeds: readonly ParsedSeed[], waitMs: number, signal?: AbortSignal): Promise<Round> {
    const knocks = await this.#knockAll(seeds, waitMs, signal);
    const answered = knocks.flatMap((knock) => (knock.type === "answered" ? [knock.contact] : []));
    if (answered.length > 0) return await this.#walk(answered, signal);
    return {
      type: "failed",
      failures: knocks.flatMap((knock) => (knock.type === "failed" ? [knock.failure] : [])),
    };
  }

  /** Pings all seeds. After the first answer the others have as long again: a dead seed holds nobody up. */
  async #knockAll(
    seeds: readonly ParsedSeed[],
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly Knock[]> {
    const stop = new AbortController();
    const beganAtMs = performance.now();
    const stopIn = (ms: number): NodeJS.Timeout =>
      setTimeout(() => stop.abort(new Error(noAnswer(waitMs))), ms);
    let timer = stopIn(waitMs + minGraceMs);
    const releases = this.#onEnd(signal, () => stop.abort());
    let hasAnswer = false;
    const knock = async (seed: ParsedSeed): Promise<Knock> => {
      const outcome = await this.#knock(seed, waitMs, stop.signal);
      if (outcome.type === "answered" && !hasAnswer) {
        hasAnswer = true;
        clearTimeout(timer);
        timer = stopIn(Math.max(minGraceMs, performance.now() - beganAtMs));
      }
      return outcome;
    };
    try {
      const knocks = await Promise.all(seeds.map(knock));
      this.#check(signal);
      return knocks;
    } finally {
      clearTimeout(timer);
      for (const release of releases) release();
    }
  }

  /** Never rejects. */
  async #knock(seed: ParsedSeed, waitMs: number, stop: AbortSignal): Promise<Knock> {
    const { queries, commands, resolver } = this.#options;
    const address = seed.text;
    try {
      const to = await resolver.resolve(seed, stop);
      const ping = (nowMs: InstantMs): QueryId => commands.ping(nowMs, to, { timeoutMs: waitMs });
      const { result } = await queries.run(ping, { signal: stop });
      const { contact, reason } = result.type === "pong" ? result : noPong;
      if (contact !== undefined) return { type: "answered", contact };
      return { type: "failed", failure: { address, ...whyNot(reason, waitMs, seed) } };
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      const isLate = cause === stop.reason;
      return {
        type: "failed",
        failure: { address, code: isLate ? "noAnswer" : "failed", reason: text, cause },
      };
    }
  }

  async #walk(seeds: readonly Contact[], signal?: AbortSignal): Promise<Round> {
    const { queries, commands } = this.#options;
    const { result, end } = await queries.run((nowMs) => commands.bootstrap(nowMs, seeds), { signal });
    const contacts = result.type === "nodes" ? result.contacts.length : 0;
    if (contacts > 0) return { type: "joined", contacts };
    const reason = `it answered a ping, but no findNode (${end})`;
    return {
      type: "failed",
      failures: seeds.map(({ addresses }) => ({
        address: addresses[0]?.key ?? "",
        code: "failed",
        reason,
      })),
    };
  }

  #failure(waitedMs: number, failures: readonly SeedFailure[]): BootstrapFailed {
    return new BootstrapFailed(waitedMs, failures, this.#options.isSecure);
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isStopped) throw new NodeClosed();
  }

  /** @throws NodeClosed, or the signal's reason */
  async #rest(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#sleep(ms, signal);
    this.#check(signal);
  }

  /** Waits until a peer enters the table, but at most so long; `true` when one did. */
  async #isFoundWithin(ms: number): Promise<boolean> {
    let isFound = false;
    await this.#sleep(ms, undefined, (end) => {
      this.#onFound = () => {
        isFound = true;
        end();
      };
    });
    this.#onFound = undefined;
    return isFound;
  }

  /** Ends early when the node closes, the signal aborts, or the function given to `wakeable` is called. Keeps no process alive. */
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
    this.#onStop = [...this.#onStop, callback];
    const release = (): void => {
      this.#onStop = this.#onStop.filter((other) => other !== callback);
    };
    return signal === undefined ? [release] : [release, onAbort(signal, callback)];
  }
}

/** Nobody to ask, or nobody who answers: silence alone does not empty a table while all are silent. */
function isAlone(commands: Commands): boolean {
  return commands.table.size === 0 || commands.stats().health === "offline";
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

/** Why a ping came to nothing. */
function whyNot(
  reason: FailureReason = "noAnswer",
  waitMs: number,
  { id }: ParsedSeed,
): Pick<SeedFailure, "code" | "reason"> {
  if (reason === "noAnswer")
    return {
      code: reason,
      reason: noAnswer(waitMs) + (id === undefined ? "" : ` by the node with id ${id.toHex()}`),
    };
  if (reason === "wrongPeer" && id !== undefined)
    return { code: reason, reason: `another node is there than that with id ${id.toHex()}` };
  return { code: reason, reason };
}

const noPong = { contact: undefined, reason: undefined } as const;

function noAnswer(waitMs: number): string {
  return `no answer within ${waitMs} ms`;
}
