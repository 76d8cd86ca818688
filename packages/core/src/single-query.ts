/**
 * Queries to one peer: `ping`, and `send` for application messages.
 */

import { copyBytes } from "./bytes.ts";
import type { Contact, Seed } from "./contact.ts";
import type { QueryResult } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { Request, ResponseMessage } from "./protocol.ts";
import { type Asked, contactOf, type Query, type QueryStep, type WalkFigures, waitStep } from "./query.ts";
import type { FailureReason } from "./query-end.ts";

type Outcome =
  | { readonly type: "none" }
  | {
      readonly type: "answered";
      readonly contact: Contact;
      readonly rttMs: number;
      /** Empty but for an application's reply. */
      readonly body: Uint8Array;
    }
  | { readonly type: "failed"; readonly reason: FailureReason };

const figures: WalkFigures = { rounds: 1, hops: 0 };

export class SingleQuery implements Query {
  readonly #to: Seed;
  readonly #body: Request;
  readonly #onRelease: (() => void) | undefined;
  #askedAtMs: InstantMs | undefined = undefined;
  #outcome: Outcome = { type: "none" };

  /** `onRelease` gives back the queue room that the body took. */
  constructor(to: Seed, body: Request, onRelease?: () => void) {
    this.#to = to;
    this.#body = body;
    this.#onRelease = onRelease;
  }

  next(nowMs: InstantMs, canAsk: (to: Seed) => boolean): QueryStep {
    if (this.#outcome.type === "answered") return { type: "end", end: "converged" };
    if (this.#outcome.type === "failed") return { type: "end", end: "exhausted" };
    if (this.#askedAtMs !== undefined || !canAsk(this.#to)) return waitStep;
    this.#askedAtMs = nowMs;
    return { type: "ask", to: this.#to, body: this.#body };
  }

  /** Ends it before anything is sent. */
  refuse(reason: FailureReason): void {
    this.#outcome = { type: "failed", reason };
  }

  onResponse(nowMs: InstantMs, asked: Asked, response: ResponseMessage, from: Path): void {
    const { body } = response;
    if (body.type === "refused") {
      this.#outcome = { type: "failed", reason: body.reason };
      return;
    }
    const rttMs = nowMs - (this.#askedAtMs as InstantMs);
    this.#outcome = {
      type: "answered",
      contact: contactOf(response, asked, from),
      rttMs,
      body: body.type === "application" ? copyBytes(body.body) : new Uint8Array(0),
    };
  }

  onSlow(_asked: Asked): void {}

  onOverdue(_asked: Asked): void {}

  onFailure(_nowMs: InstantMs, _asked: Asked, reason: FailureReason): void {
    this.#outcome = { type: "failed", reason };
  }

  result(): QueryResult {
    const outcome = this.#outcome;
    const reason =
      outcome.type === "answered" ? undefined : outcome.type === "failed" ? outcome.reason : "noAnswer";
    const answered = outcome.type === "answered" ? outcome : undefined;
    const why = reason === undefined ? {} : { reason };
    if (this.#body.type === "ping")
      return { type: "pong", contact: answered?.contact, rttMs: answered?.rttMs, ...why };
    return {
      type: "reply",
      body: answered?.body,
      ...why,
    };
  }

  figures(): WalkFigures {
    return figures;
  }

  release(): void {
    this.#onRelease?.();
  }
}
