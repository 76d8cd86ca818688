/**
 * What this node announces: what `announce` comes to, in queries of core, and its end.
 *
 * A node with an identity signs what it says of itself. A statement is made anew before it is over, and when our addresses
 * have changed.
 *
 * Core renews whatever it was once told until it is told otherwise, so everything here has somebody who can end it: the
 * caller, by the {@link Announcement} that it holds; we, when it could not be given one (too few holders, an abort); and
 * the node when it closes.
 */
import {
  type Commands,
  type Contact,
  copyBytes,
  type InstantMs,
  type QueryId,
  type QueryOptions,
  type QueryStats,
  type RecordKey,
  UsageError,
} from "@kad/core";
import { abortable } from "./abort.ts";
import { AnnounceFailed, NodeClosed, type PutOutcome } from "./errors.ts";
import { explained } from "./explained.ts";
import { resolveKey, toBytes } from "./key.ts";
import { checkMinAccepted, defined } from "./option-checks.ts";
import type { AnnounceOptions, OperationOptions } from "./options.ts";
import type { RunQuery } from "./records.ts";
import type { Statement, Statements } from "./statements.ts";

/** A key that this node serves. The figures are those of the first time that it was announced. */
export interface Announcement extends PutOutcome {
  readonly key: RecordKey;
  readonly holders: readonly Contact[];
  readonly stats: QueryStats;
  /**
   * Stops renewing, and resolves when the holders have been told; whoever cannot be reached forgets it when its lifetime
   * ends. Does nothing when the key was announced anew since, or the node is closed. A second call returns the same
   * promise.
   * @throws UsageError `invalidOption`, `tooMany` when there is no room for another query: it is still announced then;
   * NodeClosed when `close` had no more time for it
   */
  withdraw(options?: OperationOptions): Promise<void>;
  /** Withdraws it at the end of a scope: `await using announcement = await node.announce(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface AnnouncementsOptions {
  readonly run: RunQuery;
  /** The same for queries that go on while the node closes. */
  readonly runLast: RunQuery;
  readonly commands: Pick<Commands, "announce" | "withdraw">;
  readonly minAccepted: number;
  /** Whether the node listens. */
  readonly isReachable: boolean;
  /** `undefined`: nothing is signed. */
  readonly statements: Pick<Statements, "sign" | "isStale"> | undefined;
  /** Aborts when the node closes. */
  readonly lifetime: AbortSignal;
  /** Hears what went wrong in the background. */
  readonly report: (error: unknown) => void;
}

/** A key that core renews. */
interface Held {
  readonly key: RecordKey;
  /** As the caller has given them. */
  readonly meta: Uint8Array | undefined;
  readonly lifetimeMs: number | undefined;
  /** What was said last; `undefined`: nothing is signed. */
  statement: Statement | undefined;
  /** `undefined`: under way, or nobody has it. */
  announcement: Announcement | undefined;
  withdrawal: Promise<void> | undefined;
  retry: ReturnType<typeof setTimeout> | undefined;
}

/** Withdrawals begun at once when the node closes; there may be a thousand of them, and each asks 20 holders twice. */
const maxClosing = 32;
/** There was no room for a withdrawal that nobody waits for. */
const retryMs = 1_000;
/** How often statements are looked at: by the wall clock, since timers stand still while the machine sleeps. */
const staleCheckMs = 600_000;

export class Announcements {
  readonly #options: AnnouncementsOptions;
  /** By key: what core renews, at most its `maxOwnProviders`. */
  readonly #held = new Map<string, Held>();
  readonly #withdrawing = new Set<Promise<void>>();
  /** Those for which a statement is made anew. */
  readonly #renewing = new Set<Held>();
  #staleCheck: NodeJS.Timeout | undefined;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** Those that callers hold; the array is the caller's. */
  list(): Announcement[] {
    return [...this.#held.values()].flatMap(({ announcement }) => announcement ?? []);
  }

  async announce(keyOrName: RecordKey | string, options: AnnounceOptions): Promise<Announcement> {
    const { run, isReachable } = this.#options;
    const { minAccepted = this.#options.minAccepted, lifetimeMs } = options;
    checkMinAccepted(minAccepted);
    const key = resolveKey(keyOrName);
    if (!isReachable) {
      throw new UsageError(
        "noAddress",
        "announce: this node is a client, so nobody could reach what it serves; createNode needs `listen`",
      );
    }
    const meta = options.meta === undefined ? undefined : copyBytes(toBytes("meta", options.meta));
    const held: Held = {
      key,
      meta,
      lifetimeMs,
      statement: undefined,
      announcement: undefined,
      withdrawal: undefined,
      retry: undefined,
    };
    if (!(await this.#sign(held, options.signal)))
      throw new AnnounceFailed(minAccepted, { ...nothingStored, end: "cancelled" });
    const begin = (nowMs: InstantMs, query: QueryOptions): QueryId => this.#begin(nowMs, held, query);
    try {
      const finished = await run(options, begin);
      const { result, end, stats } = finished;
      const { accepted, asked, refusals, holders } = result.type === "stored" ? result : nothingStored;
      const outcome = { accepted, asked, refusals, end, ...explained(finished) };
      if (accepted < minAccepted) throw new AnnounceFailed(minAccepted, outcome);
      held.announcement = this.#announcement(held, { key, ...outcome, holders, stats });
      return held.announcement;
    } catch (error) {
      this.#abandon(held);
      throw error;
    }
  }

  /** Nothing is announced, and nobody is being told so. */
  get isIdle(): boolean {
    return this.#held.size === 0 && this.#withdrawing.size === 0;
  }

  /** Withdraws everything, and resolves after `timeoutMs` at the latest. Nothing may be announced from here on. */
  async close(timeoutMs: number): Promise<void> {
    const left = this.#held.values();
    const withdrawInTurn = async (): Promise<void> => {
      for (const held of left) await this.#withdraw(held, {}).catch(() => undefined);
    };
    const withdrawRest = async (): Promise<void> => {
      await Promise.all(Array.from({ length: maxClosing }, withdrawInTurn));
      while (this.#withdrawing.size > 0) await Promise.allSettled(this.#withdrawing);
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([withdrawRest(), timeUp]);
    clearTimeout(timer);
  }

  /** Forgets everything: the node renews nothing any more. */
  clear(): void {
    for (const { retry } of this.#held.values()) clearTimeout(retry);
    this.#held.clear();
    clearInterval(this.#staleCheck);
  }

  #begin(nowMs: InstantMs, held: Held, query: QueryOptions): QueryId {
    const { commands, statements } = this.#options;
    const said = defined({ meta: held.statement?.meta ?? held.meta, lifetimeMs: held.lifetimeMs });
    const id = commands.announce(nowMs, held.key, said, query);
    this.#replace(held);
    if (statements !== undefined)
      this.#staleCheck ??= setInterval(() => this.#renewStatements(), staleCheckMs).unref();
    return id;
  }

  /**
   * `false`: whoever signs took so long that what was said later is announced already. Rejects with what the identity does,
   * or with the signal's reason.
   */
  async #sign(held: Held, signal?: AbortSignal): Promise<boolean> {
    const { statements, lifetime } = this.#options;
    if (statements === undefined) return true;
    const signing = abortable(statements.sign(held.key, held.meta ?? nothing), lifetime);
    const statement = await abortable(signing, signal);
    const said = this.#held.get(held.key.key)?.statement;
    if (said !== undefined && said.unixMs > statement.unixMs) return false;
    held.statement = statement;
    return true;
  }

  #renewStatements(): void {
    const { statements, report } = this.#options;
    for (const held of this.#held.values()) {
      const { announcement, statement } = held;
      if (announcement === undefined || statement === undefined || this.#renewing.has(held)) continue;
      if (statements?.isStale(statement)) this.#stateAnew(held, statement).catch(report);
    }
  }

  /** Core goes on with the new one, whether holders take it now or when it is renewed. */
  async #stateAnew(held: Held, before: Statement): Promise<void> {
    this.#renewing.add(held);
    try {
      if (!(await this.#sign(held)) || this.#held.get(held.key.key) !== held) return;
      await this.#options.run({}, (nowMs, query) => this.#begin(nowMs, held, query));
    } catch (error) {
      if (error instanceof NodeClosed) return;
      held.statement = before; // there was no room for a query: tried again with the next look
      throw error;
    } finally {
      this.#renewing.delete(held);
    }
  }

  #replace(held: Held): void {
    const { key } = held.key;
    clearTimeout(this.#held.get(key)?.retry);
    this.#held.set(key, held);
  }

  #announcement(
    held: Held,
    figures: Omit<Announcement, "withdraw" | typeof Symbol.asyncDispose>,
  ): Announcement {
    const withdraw = (options: OperationOptions = {}): Promise<void> => this.#withdraw(held, options);
    return { ...figures, withdraw, [Symbol.asyncDispose]: () => withdraw() };
  }

  #withdraw(held: Held, options: OperationOptions): Promise<void> {
    if (this.#held.get(held.key.key) !== held) return held.withdrawal ?? Promise.resolve();
    const withdrawal = this.#runWithdrawal(held, options);
    if (this.#held.get(held.key.key) !== held) held.withdrawal = withdrawal; // else it could not begin
    this.#withdrawing.add(withdrawal);
    const forget = (): void => void this.#withdrawing.delete(withdrawal);
    withdrawal.then(forget, forget);
    return withdrawal;
  }

  async #runWithdrawal(held: Held, options: OperationOptions): Promise<void> {
    const { runLast, commands } = this.#options;
    await runLast(options, (nowMs, query) => {
      const id = commands.withdraw(nowMs, held.key, query);
      this.#held.delete(held.key.key);
      return id;
    });
  }

  /** Nobody can end it any more, so it ends now, or as soon as there is room for a query. */
  #abandon(held: Held): void {
    if (this.#held.get(held.key.key) !== held) return;
    this.#withdraw(held, {}).catch(() => {
      if (this.#held.get(held.key.key) === held) held.retry = setTimeout(() => this.#abandon(held), retryMs);
    });
  }
}

const nothing = new Uint8Array(0);
const nothingStored = { accepted: 0, asked: 0, refusals: {}, holders: [] } as const;
