/**
 * Answers the requests of others.
 *
 * Answers wait in a bounded ring and are written when polled. When the ring is full a request is dropped before any work.
 * To an address that nobody has proven, an answer is never over three times as long as the request (QUIC's rule). A
 * connection proves its address as a secure channel does: only the source of a datagram can be forged.
 */
import { type Address, datagramKinds } from "./address.ts";
import { copyBytes } from "./bytes.ts";
import type { Contact } from "./contact.ts";
import type { Counters } from "./counters.ts";
import { HookError } from "./errors.ts";
import type { EventQueue } from "./event-queue.ts";
import type { RemoteErrorCode } from "./events.ts";
import type { Reporter } from "./hooks.ts";
import type { InstantMs, Path, Transmit } from "./machine.ts";
import type { Maintenance } from "./maintenance.ts";
import type { AnswerTo, MessageBox } from "./message-box.ts";
import type { MessageWriter } from "./message-writer.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason, Request, RequestId, RequestMessage, Response } from "./protocol.ts";
import type { ProviderAnswers } from "./provider-answers.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { RecordKey } from "./record.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import { Ring } from "./ring.ts";
import type { RoutingTable } from "./routing-table.ts";
import type { WriteTokens } from "./write-token.ts";

/** Longest answer to an unproven address, as a multiple of the request. */
const amplification = 3;

/** What to say, as far as it is known before it is written. */
type Plan =
  | { readonly type: "ready"; readonly body: Response }
  | { readonly type: "nodes"; readonly target: NodeId; readonly wantToken: boolean }
  | { readonly type: "value"; readonly key: RecordKey }
  | { readonly type: "providers"; readonly key: RecordKey; readonly cursor: Uint8Array };

interface Reply {
  readonly to: AnswerTo;
  /** Kinds of address that the asker can dial. */
  readonly want: number;
  readonly asker: NodeId | undefined;
  readonly plan: Plan;
  /** The answer to an application message: a plugin's, or the acknowledgement in its place. */
  readonly isAnswer: boolean;
}

export interface ResponderOptions extends Reporter {
  readonly limits: NodeLimits;
  readonly counters: Counters;
  readonly table: RoutingTable;
  readonly keeper: RecordKeeper;
  readonly providerAnswers: ProviderAnswers;
  /** What its hooks throw is caught here: without a token nothing is stored. */
  readonly tokens: WriteTokens;
  readonly rates: RateLimiter;
  readonly writer: MessageWriter;
  readonly events: EventQueue;
  readonly box: MessageBox;
  /** We store nothing for others. */
  readonly isClient: boolean;
  /** Told when a record was taken from somebody: its deadlines have changed. */
  readonly maintenance: Pick<Maintenance, "onRecordsChanged">;
  /** The subnet that stored records are counted by; `undefined`: exempt. */
  groupOf(address: Address): string | undefined;
  /** Whom requests are counted by: a proven peer, else a host; `undefined`: exempt. */
  countedAs(path: Path): string | undefined;
  onMisbehaved(from: Path, code: RemoteErrorCode): void;
}

export class Responder {
  readonly #options: ResponderOptions;
  readonly #replies: Ring<Reply> = new Ring();
  #queuedAnswers = 0;
  #closed = false;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** Replies that wait, answers to application messages among them. */
  get queued(): number {
    return this.#replies.length;
  }

  get queuedAnswers(): number {
    return this.#queuedAnswers;
  }

  /** `false`: dropped and counted, no work was done. */
  admit(nowMs: InstantMs, from: Path): boolean {
    const { counters, limits, rates } = this.#options;
    const source = this.#options.countedAs(from);
    if (source !== undefined) {
      const verdict = rates.take(nowMs, source);
      if (verdict !== "allowed") {
        counters.dropped.add(verdict === "limited" ? "rateLimited" : "banned");
        if (verdict === "newlyBanned") this.#options.onMisbehaved(from, "rateLimited");
        return false;
      }
    }
    if (this.#replies.length - this.#queuedAnswers < limits.maxQueuedReplies) return true;
    counters.dropped.add("repliesFull");
    return false;
  }

  /** `bytes`: how long the request was. */
  onRequest(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    const to = answerTo(from, message.requestId, bytes);
    const plan = this.#plan(nowMs, message, to);
    if (plan === undefined) return;
    this.#replies.push({ to, want: message.want, asker: message.sender, plan, isAnswer: false });
  }

  /** A request that cannot be read, or of a kind that we do not know. */
  refuse(requestId: RequestId, from: Path, reason: RefusalReason, bytes: number): void {
    const to = answerTo(from, requestId, bytes);
    this.#replies.push({ to, want: 0, asker: undefined, plan: this.#refusal(reason), isAnswer: false });
  }

  /** The answer to an application message has room of its own: as many may wait as there may be tokens. `false`: none. */
  answer(to: AnswerTo, body: Uint8Array): boolean {
    if (this.#closed || this.#queuedAnswers >= this.#options.limits.maxReplyTokens) return false;
    const plan: Plan = { type: "ready", body: { type: "application", body } };
    this.#queuedAnswers++;
    this.#replies.push({ to, want: 0, asker: undefined, plan, isAnswer: true });
    return true;
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply === undefined) return undefined;
      if (reply.isAnswer) this.#queuedAnswers--;
      const { plan } = reply;
      const { path } = reply.to;
      const length =
        (plan.type === "providers"
          ? this.#writePage(nowMs, reply, plan.key, plan.cursor, into)
          : this.#write(reply.to, this.#body(nowMs, reply, plan), into)) ??
        this.#write(reply.to, this.#tooLarge(), into);
      if (length !== undefined) return { path, peer: path.peer, length, tag: 0 };
    }
  }

  /** What is queued can still be polled; nothing new comes. */
  close(): void {
    this.#closed = true;
  }

  #plan(nowMs: InstantMs, message: RequestMessage, to: AnswerTo): Plan | undefined {
    const { body } = message;
    switch (body.type) {
      case "ping":
        return pong;
      case "findNode":
        return { type: "nodes", target: body.target, wantToken: body.wantToken };
      case "getValue":
        return { type: "value", key: body.key };
      case "putValue":
        return this.#store(nowMs, body, to.path);
      case "getProviders":
        return { type: "providers", key: body.key, cursor: copyBytes(body.cursor) };
      case "addProvider":
        return this.#addProvider(nowMs, message, body, to.path);
      case "application":
        return this.#deliver(nowMs, message.sender, body, to);
    }
  }

  #store(
    nowMs: InstantMs,
    { record, token, expectedSeq }: Extract<Request, { type: "putValue" }>,
    from: Path,
  ): Plan {
    const { keeper, isClient, maintenance } = this.#options;
    if (isClient) return this.#refusal("unsupported");
    if (from.peer === undefined && !this.#isToken(nowMs, from, record.key, token))
      return this.#refusal("badToken");
    const outcome = keeper.accept(nowMs, record, this.#options.groupOf(from.remote), expectedSeq);
    if (outcome.type === "refused") {
      if (outcome.reason === "invalidRecord") this.#options.onMisbehaved(from, "invalidValue");
      return this.#refusal(outcome.reason);
    }
    maintenance.onRecordsChanged(nowMs);
    return stored;
  }

  #addProvider(
    nowMs: InstantMs,
    message: RequestMessage,
    body: Extract<Request, { type: "addProvider" }>,
    from: Path,
  ): Plan {
    const { providerAnswers, isClient } = this.#options;
    if (isClient) return this.#refusal("unsupported");
    if (from.peer === undefined && !this.#isToken(nowMs, from, body.key, body.token))
      return this.#refusal("badToken");
    const refusal = providerAnswers.add(nowMs, message, body, from);
    if (refusal === "invalidRecord") this.#options.onMisbehaved(from, "invalidValue");
    return refusal === undefined ? stored : this.#refusal(refusal);
  }

  #deliver(
    nowMs: InstantMs,
    sender: NodeId,
    body: Extract<Request, { type: "application" }>,
    to: AnswerTo,
  ): Plan | undefined {
    const { box, events, counters } = this.#options;
    const receipt = box.receive(nowMs, sender, body, to, events.messagesFull);
    if (receipt.type === "refused") return this.#refusal(receipt.reason);
    if (receipt.type === "delivered") {
      events.push(receipt.event);
      return undefined;
    }
    counters.dropped.add("duplicate");
    return receipt.answer === undefined
      ? undefined
      : { type: "ready", body: { type: "application", body: receipt.answer } };
  }

  #write({ path, requestId, maxBytes }: AnswerTo, body: Response, into: Uint8Array): number | undefined {
    return this.#options.writer.response(path.remote, requestId, body, into, maxBytes);
  }

  #writePage(
    nowMs: InstantMs,
    reply: Reply,
    key: RecordKey,
    cursor: Uint8Array,
    into: Uint8Array,
  ): number | undefined {
    const { want, asker, to } = reply;
    const asked = {
      key,
      cursor,
      admits: (contact: Contact) => isWanted(contact, asker, want),
      closest: () => this.#closest(reply, key),
    };
    const roomBytes = Math.min(into.length, to.path.remote.maxBytes, to.maxBytes);
    return this.#options.providerAnswers.answer(nowMs, asked, roomBytes, (body) =>
      this.#write(to, body, into),
    );
  }

  #body(nowMs: InstantMs, reply: Reply, plan: Exclude<Plan, { type: "providers" }>): Response {
    if (plan.type === "ready") return plan.body;
    if (plan.type === "nodes") return this.#nodes(nowMs, reply, plan.target, plan.wantToken);
    const held = this.#options.keeper.get(nowMs, plan.key);
    if (held === undefined) return this.#nodes(nowMs, reply, plan.key, false);
    const { typeCode, key, body, expiresAtMs } = held;
    return { type: "value", record: { typeCode, key, lifetimeMs: expiresAtMs - nowMs, body } };
  }

  #nodes(nowMs: InstantMs, reply: Reply, target: NodeId, wantToken: boolean): Response {
    const contacts = this.#closest(reply, target);
    const token = wantToken ? this.#token(nowMs, reply.to.path, target) : undefined;
    return { type: "nodes", contacts, token };
  }

  #closest({ want, asker }: Reply, target: NodeId): readonly Contact[] {
    const { table, limits } = this.#options;
    return table.closest(target, limits.bucketSize, (contact) => isWanted(contact, asker, want));
  }

  /** A proven peer needs none, and nobody can use one with a client. */
  #token(nowMs: InstantMs, { peer, remote }: Path, target: NodeId): Uint8Array | undefined {
    if (peer !== undefined || this.#options.isClient) return undefined;
    return this.#guardTokens(() => this.#options.tokens.issue(nowMs, remote, target));
  }

  #isToken(nowMs: InstantMs, { remote }: Path, key: RecordKey, token: Uint8Array | undefined): boolean {
    if (token === undefined) return false;
    return this.#guardTokens(() => this.#options.tokens.check(nowMs, remote, key, token)) ?? false;
  }

  #guardTokens<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#options.report(new HookError("sha256 or random", error));
      return undefined;
    }
  }

  #refusal(reason: RefusalReason): Plan {
    this.#options.counters.refused.add(reason);
    return { type: "ready", body: { type: "refused", reason } };
  }

  #tooLarge(): Response {
    this.#options.counters.refused.add("tooLarge");
    return { type: "refused", reason: "tooLarge" };
  }
}

const pong: Plan = { type: "ready", body: { type: "pong" } };
const stored: Plan = { type: "ready", body: { type: "stored" } };

/** Whether one of its addresses is of these kinds. */
/** Nobody is told of itself, nor of whom it cannot dial. */
function isWanted(contact: Contact, asker: NodeId | undefined, kinds: number): boolean {
  return contact.id.key !== asker?.key && hasKind(contact, kinds);
}

function hasKind({ addresses }: Contact, kinds: number): boolean {
  for (let i = 0; i < addresses.length; i++) if (((addresses[i] as Address).kind & kinds) !== 0) return true;
  return false;
}

/** `bytes`: how long the request was. */
function answerTo(path: Path, { high, low }: RequestId, bytes: number): AnswerTo {
  const isForgeable = path.peer === undefined && (path.remote.kind & datagramKinds) !== 0;
  const maxBytes = isForgeable ? amplification * bytes : Number.POSITIVE_INFINITY;
  return { path, requestId: { high, low }, maxBytes };
}
