/**
 * What can go wrong for the user of a node, each with a stable `code`.
 *
 * Misuse (a key of the wrong length, a value too large, a negative timeout) is core's `UsageError`, and a port in use its
 * `ListenError`. The errors here are what the network and the node's end bring; each says of what, and what is allowed.
 */
import { type Explanation, type FailureReason, KadError, type QueryEnd } from "@kad/core";
import { type Explained, explained } from "./explained.ts";

/** Why one seed did not let us in. */
export interface SeedFailure {
  /** As it stood in `bootstrap`. */
  readonly address: string;
  /**
   * `noAnswer`: silence, which is also what nodes of another network have for us. `wrongPeer`: another node is there than
   * the one with the id that was named. `failed`: anything else, such as a name that cannot be resolved; see `cause`.
   */
  readonly code: FailureReason | "failed";
  readonly reason: string;
  readonly cause?: unknown;
}

/** No seed answered in time. `createNode` has closed its sockets. */
export class BootstrapFailed extends KadError {
  declare readonly code: "bootstrapFailed";
  readonly seeds: readonly SeedFailure[];
  /** What silence may mean beside that nobody is there; `undefined`: no seed was silent. */
  readonly hint: string | undefined;

  /** @param isSecure whether we encrypt: who does not is silent to those who do, and the other way round */
  constructor(waitedMs: number, seeds: readonly SeedFailure[], isSecure: boolean) {
    const list = seeds.map(({ address, reason }) => `${address}: ${reason}`).join("; ");
    const hint = seeds.some(isSilent) ? hints[isSecure ? "secure" : "plain"] : undefined;
    const text = `bootstrap: no seed answered within ${waitedMs} ms (${list}); one is enough`;
    super("bootstrapFailed", hint === undefined ? text : `${text}. ${hint}`, {
      cause: seeds.find(({ cause }) => cause !== undefined)?.cause,
    });
    this.seeds = seeds;
    this.hint = hint;
  }
}

const hints = {
  secure:
    "Nodes do not answer who has another network key, another network name, or no encryption: compare `networkKey`, " +
    "`network` and `security`",
  plain: "Nodes that encrypt do not answer who does not: compare `security`",
} as const;

/** A stream to a node of another network is closed without a word. */
function isSilent({ code }: SeedFailure): boolean {
  return code === "noAnswer" || code === "unreachable" || code === "closed";
}

/** A host name that the system's resolver does not know, or has no address for that this node can dial. */
export class UnresolvableHost extends KadError {
  declare readonly code: "unresolvableHost";
  readonly host: string;
  /** `false` when the resolver could not be asked, so that asking again may help. */
  readonly isFinal: boolean;

  constructor(address: string, host: string, reason: string, cause?: unknown) {
    super(
      "unresolvableHost",
      `${address}: the host "${host}" ${reason}; allowed are an IP address and a name that resolves to one`,
      { cause },
    );
    this.host = host;
    this.isFinal = !isPassing(cause);
  }
}

/** What a put or an announcement came to. */
export interface PutOutcome extends Explained {
  /** Holders that took the record. */
  readonly accepted: number;
  /** Holders that were asked to. */
  readonly asked: number;
  /** How many did not take it, by reason. */
  readonly refusals: Readonly<Partial<Record<FailureReason, number>>>;
  readonly end: QueryEnd;
}

/** Fewer holders than `minAccepted` took the record. It may still be on those that did. */
export class PutFailed extends KadError implements PutOutcome {
  declare readonly code: "putFailed";
  readonly accepted: number;
  readonly asked: number;
  readonly refusals: Readonly<Partial<Record<FailureReason, number>>>;
  readonly end: QueryEnd;
  declare readonly explanation?: Explanation;

  constructor(minAccepted: number, outcome: PutOutcome) {
    const { accepted, asked, refusals, end } = outcome;
    super("putFailed", `put: ${tooFew(minAccepted, outcome)}`);
    this.accepted = accepted;
    this.asked = asked;
    this.refusals = refusals;
    this.end = end;
    Object.assign(this, explained(outcome));
  }
}

/**
 * Another record stands there than was expected: its sequence number is larger than `expectedSeq`. Read it, and decide anew.
 * Where some holders have `accepted`, either of the two may stay in the end.
 */
export class Superseded extends KadError implements PutOutcome {
  declare readonly code: "superseded";
  readonly expectedSeq: number;
  /** What was found; `undefined` where holders have refused, who do not say. */
  readonly seq: number | undefined;
  readonly accepted: number;
  readonly asked: number;
  readonly refusals: Readonly<Partial<Record<FailureReason, number>>>;
  readonly end: QueryEnd;
  declare readonly explanation?: Explanation;

  constructor(expectedSeq: number, seq: number | undefined, outcome: PutOutcome) {
    const { accepted, asked, refusals, end } = outcome;
    const found =
      seq === undefined ? `${refusals.superseded} of ${asked} holders have a larger one` : `there is ${seq}`;
    super("superseded", `put: the sequence number is not ${expectedSeq} any more: ${found}`);
    this.expectedSeq = expectedSeq;
    this.seq = seq;
    this.accepted = accepted;
    this.asked = asked;
    this.refusals = refusals;
    this.end = end;
    Object.assign(this, explained(outcome));
  }
}

/** Fewer holders than `minAccepted` took the announcement. It is withdrawn from those that did, and not renewed. */
export class AnnounceFailed extends KadError implements PutOutcome {
  declare readonly code: "announceFailed";
  readonly accepted: number;
  readonly asked: number;
  readonly refusals: Readonly<Partial<Record<FailureReason, number>>>;
  readonly end: QueryEnd;
  declare readonly explanation?: Explanation;

  constructor(minAccepted: number, outcome: PutOutcome) {
    const { accepted, asked, refusals, end } = outcome;
    super("announceFailed", `announce: ${tooFew(minAccepted, outcome)}`);
    this.accepted = accepted;
    this.asked = asked;
    this.refusals = refusals;
    this.end = end;
    Object.assign(this, explained(outcome));
  }
}

/** No reply to an application message: `reason` says why. */
export class SendFailed extends KadError {
  declare readonly code: "sendFailed";
  readonly reason: FailureReason;
  readonly end: QueryEnd;

  constructor(protocol: string, reason: FailureReason, end: QueryEnd) {
    super("sendFailed", `send: no reply to "${protocol}": ${reason} (${end})`);
    this.reason = reason;
    this.end = end;
  }
}

/** The node was closed before the operation ended, or before it began. */
export class NodeClosed extends KadError {
  declare readonly code: "closed";

  constructor() {
    super("closed", "the node is closed; another one comes from createNode");
  }
}

function tooFew(minAccepted: number, { accepted, asked, refusals, end }: PutOutcome): string {
  const why = Object.entries(refusals).map(([reason, count]) => `, ${count} ${reason}`);
  return `${accepted} of ${asked} holders accepted${why.join("")} (${end}); minAccepted is ${minAccepted}`;
}

/** EAI_AGAIN: the resolver did not answer, or is not there yet. */
function isPassing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "EAI_AGAIN";
}
