/**
 * Application messages that have come in: who may still be answered, and which ones we have already.
 *
 * A message is answered by a plugin's reply, by an empty acknowledgement, or, if nobody says anything, by one when its
 * token expires: its sender learns in any case that it was delivered. A message sent again (its answer was lost) is not
 * delivered again; it is answered again, if the answer is no longer than a datagram.
 */
import { copyBytes } from "./bytes.ts";
import type { ApplicationMessage, ReplyToken } from "./events.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason, Request, RequestId } from "./protocol.ts";
import { Timer, type TimerQueue } from "./timers.ts";

/** Answers up to this length are kept for a message that comes again; longer ones go only over streams, which lose nothing. */
const maxKeptAnswerBytes = 1_200;

const noProtocols: ReadonlySet<string> = new Set();

type ApplicationRequest = Extract<Request, { type: "application" }>;

export type Receipt =
  | { readonly type: "delivered"; readonly event: ApplicationMessage }
  | { readonly type: "refused"; readonly reason: RefusalReason }
  | { readonly type: "again"; readonly answer: Uint8Array | undefined };

/** Where an answer goes: the request's path and id, and how long an answer to it may be. */
export interface AnswerTo {
  readonly path: Path;
  readonly requestId: RequestId;
  readonly maxBytes: number;
}

export interface MessageBoxOptions {
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  /** `false`: no room for the answer. */
  readonly responder: { answer(to: AnswerTo, body: Uint8Array): boolean };
}

/** One message that was delivered; its timer ends what we know of it. */
class Delivered extends Timer {
  override readonly reason = "replyToken";
  readonly id: number;
  readonly to: AnswerTo;
  isAnswered = false;
  answer: Uint8Array | undefined = undefined;
  readonly #box: MessageBox;

  constructor(box: MessageBox, id: number, to: AnswerTo) {
    super();
    this.#box = box;
    this.id = id;
    this.to = to;
  }

  override onDue(): void {
    this.#box.expire(this);
  }
}

export class MessageBox {
  readonly #options: MessageBoxOptions;
  readonly #byToken = new LeanMap<number, Delivered>();
  readonly #byRequest = new LeanMap<string, Delivered>();
  #protocols: ReadonlySet<string> = noProtocols;
  #lastToken = 0;

  constructor(options: MessageBoxOptions) {
    this.#options = options;
  }

  /** Messages that may still be answered, or come again. */
  get size(): number {
    return this.#byToken.size;
  }

  setProtocols(names: readonly string[]): void {
    this.#protocols = new Set(names);
  }

  /** `queueFull`: nobody polls the events. The request is borrowed. */
  receive(
    nowMs: InstantMs,
    sender: NodeId,
    { protocol, body }: ApplicationRequest,
    to: AnswerTo,
    queueFull: boolean,
  ): Receipt {
    const earlier = this.#byRequest.get(requestKey(to));
    if (earlier !== undefined) return { type: "again", answer: earlier.answer };
    if (!this.#protocols.has(protocol)) return { type: "refused", reason: "noHandler" };
    if (queueFull || this.#byToken.size >= this.#options.limits.maxReplyTokens)
      return { type: "refused", reason: "busy" };
    const delivered = this.#remember(nowMs, to);
    const reply = { id: delivered.id };
    return {
      type: "delivered",
      event: {
        type: "messageReceived",
        from: to.path,
        sender,
        protocol,
        body: copyBytes(body),
        reply,
      },
    };
  }

  /** `false`: expired, answered already, or too many answers wait to be sent. */
  reply(token: ReplyToken, body: Uint8Array): boolean {
    const delivered = this.#byToken.get(token.id);
    if (delivered === undefined || delivered.isAnswered) return false;
    return this.#send(delivered, copyBytes(body));
  }

  clear(): void {
    for (const delivered of this.#byToken.values()) this.#options.timers.clear(delivered);
    this.#byToken.clear();
    this.#byRequest.clear();
  }

  /** @internal */
  expire(delivered: Delivered): void {
    this.#byToken.delete(delivered.id);
    this.#byRequest.delete(requestKey(delivered.to));
    if (!delivered.isAnswered) this.#send(delivered, new Uint8Array(0));
  }

  #remember(nowMs: InstantMs, to: AnswerTo): Delivered {
    const delivered = new Delivered(this, ++this.#lastToken, to);
    this.#byToken.set(delivered.id, delivered);
    this.#byRequest.set(requestKey(to), delivered);
    this.#options.timers.set(delivered, nowMs + this.#options.limits.replyTokenLifetimeMs);
    return delivered;
  }

  #send(delivered: Delivered, body: Uint8Array): boolean {
    if (!this.#options.responder.answer(delivered.to, body)) return false;
    delivered.isAnswered = true;
    if (body.length <= maxKeptAnswerBytes) delivered.answer = body;
    return true;
  }
}

function requestKey({ path, requestId }: AnswerTo): string {
  return `${path.remote.key} ${requestId.high} ${requestId.low}`;
}
