/**
 * Why a query went the way it went: who was asked, skipped or dropped, in order, and why it ended.
 *
 * Written while the query runs, only for those who ask for it (`QueryOptions.explain`), up to `maxExplainedSteps`; what
 * comes after is counted. The nearest elsewhere: js-libp2p's query events, go-libp2p's termination reasons.
 */
import type { Contact, Seed } from "./contact.ts";
import { commonPrefixLength } from "./distance.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { RefusalReason, RequestType, ResponseMessage, ResponseType } from "./protocol.ts";
import type { FailureReason, QueryEnd } from "./query-end.ts";

/** Why a peer that was heard of is not asked: at all, or by this path. */
export type SkipReason =
  | "subnet" // others of its subnet are there already
  | "tooFar" // closer candidates fill the list
  | "otherPath"; // another disjoint path has asked it

export type ExplainedEvent =
  | { readonly type: "asked"; readonly request: RequestType }
  /** `contacts`: how many it named; `gave` says what else it gave. */
  | { readonly type: "answered"; readonly gave: ResponseType; readonly contacts: number }
  | { readonly type: "refused"; readonly reason: RefusalReason }
  /** Past its soft timeout: another was asked beside it. */
  | { readonly type: "slow" }
  /** Past its last attempt, or known to be failing: nobody waited for it any more. */
  | { readonly type: "overdue" }
  | { readonly type: "failed"; readonly reason: FailureReason }
  | { readonly type: "skipped"; readonly reason: SkipReason };

export interface ExplainedStep {
  /** Since the query began. */
  readonly afterMs: number;
  /** `undefined` for a seed whose id is unknown. */
  readonly peer: NodeId | undefined;
  /** The first address, as text. */
  readonly address: string;
  /** Bits that the peer's id shares with the target, where both are known. */
  readonly sharedBits: number | undefined;
  readonly event: ExplainedEvent;
}

/** Plain data that the caller owns. */
export interface Explanation {
  /** What a walk went toward; `undefined` for a query to a single peer. */
  readonly target: NodeId | undefined;
  readonly steps: readonly ExplainedStep[];
  /** Steps after the last that was kept. */
  readonly omitted: number;
  /** Why it ended, in words; `undefined` while it is under way. */
  readonly why: string | undefined;
}

/** Writes an {@link Explanation} down. */
export class QueryTrace {
  readonly #maxSteps: number;
  #target: NodeId | undefined = undefined;
  #startedAtMs: InstantMs | undefined = undefined;
  readonly #steps: ExplainedStep[] = [];
  /** Ids of those passed over: once each, however often they are heard of. */
  readonly #skipped = new Set<string>();
  #omitted = 0;
  #nowMs: InstantMs = 0;
  #why: string | undefined = undefined;

  constructor(maxSteps: number) {
    this.#maxSteps = maxSteps;
  }

  /** When the query began, and what it goes toward if it is a walk. Later calls do nothing. */
  begin(nowMs: InstantMs, target?: NodeId): void {
    if (this.#startedAtMs !== undefined) return;
    this.#startedAtMs = nowMs;
    this.#nowMs = nowMs;
    this.#target = target;
  }

  /** Something that happens at an instant. */
  add(nowMs: InstantMs, to: Seed, event: ExplainedEvent): void {
    this.#nowMs = nowMs;
    if (this.#steps.length >= this.#maxSteps) {
      this.#omitted++;
      return;
    }
    const { id, addresses } = to;
    const sharedBits =
      id === undefined || this.#target === undefined ? undefined : commonPrefixLength(id, this.#target);
    const afterMs = nowMs - (this.#startedAtMs ?? nowMs);
    this.#steps.push({ afterMs, peer: id, address: addresses[0]?.key ?? "", sharedBits, event });
  }

  answered(nowMs: InstantMs, to: Seed, { body }: ResponseMessage): void {
    if (body.type === "refused") {
      this.add(nowMs, to, { type: "refused", reason: body.reason });
      return;
    }
    const contacts = "contacts" in body ? body.contacts.length : 0;
    this.add(nowMs, to, { type: "answered", gave: body.type, contacts });
  }

  /** A walk passes a contact over; walks know no time, so the instant is that of the last event. */
  skipped(contact: Contact, reason: SkipReason): void {
    if (this.#skipped.has(contact.id.key)) return;
    if (this.#skipped.size < this.#maxSteps) this.#skipped.add(contact.id.key);
    this.add(this.#nowMs, contact, { type: "skipped", reason });
  }

  ended(end: QueryEnd): void {
    this.#why = reasons[end];
  }

  explanation(): Explanation {
    return { target: this.#target, steps: [...this.#steps], omitted: this.#omitted, why: this.#why };
  }
}

const reasons: Readonly<Record<QueryEnd, string>> = {
  converged: "the closest that were needed have answered",
  exhausted: "nobody answered: there was nobody left to ask",
  timedOut: "its deadline came",
  cancelled: "it was cancelled",
  closed: "the node was closed",
};

/** An explanation as text: a line for each step, the newest last. Ids are cut to their first 8 digits. */
export function formatExplanation(explanation: Explanation): string {
  const { target, steps, omitted, why } = explanation;
  const lines = [target === undefined ? "one peer" : `toward ${target.toHex()}`];
  for (const step of steps) lines.push(formatStep(step));
  if (omitted > 0) lines.push(`… and ${omitted} more steps`);
  lines.push(why === undefined ? "still under way" : `ended: ${why}`);
  return lines.join("\n");
}

function formatStep({ afterMs, peer, address, sharedBits, event }: ExplainedStep): string {
  const id = peer === undefined ? "unknown " : peer.toHex().slice(0, 8); // slice: a string
  const bits = sharedBits === undefined ? "" : ` (${sharedBits} bits)`;
  return `${afterMs.toFixed(1).padStart(9)} ms  ${id}${bits}  ${address}  ${formatEvent(event)}`;
}

function formatEvent(event: ExplainedEvent): string {
  switch (event.type) {
    case "asked":
      return `asked ${event.request}`;
    case "answered":
      return event.gave === "nodes" ? `named ${event.contacts} contacts` : `gave ${event.gave}`;
    case "refused":
      return `refused: ${event.reason}`;
    case "slow":
      return "is slow: another is asked beside it";
    case "overdue":
      return "is overdue: nobody waits for it";
    case "failed":
      return `failed: ${event.reason}`;
    case "skipped":
      return `skipped: ${event.reason}`;
  }
}
