import { copyBytes, type InstantMs, type RequestMessage, type WireRecord } from "@kad/core";
import { Rogue, type RogueAnswer } from "./rogue.ts";

const maxKept = 1_000;

/**
 * Keeps the first record that it is given under each key for ever: it says `stored` to every later one and drops it, answers
 * every get with the first, always with a full lifetime, and never passes one on. Everything else it does as honest nodes do.
 */
export class StaleNode extends Rogue {
  readonly #first = new Map<string, WireRecord>();

  protected override answer(_nowMs: InstantMs, { body }: RequestMessage): RogueAnswer {
    if (body.type === "putValue") {
      const { record } = body;
      if (!this.#first.has(record.key.key) && this.#first.size < maxKept)
        this.#first.set(record.key.key, { ...record, lifetimeMs: 86_400_000, body: copyBytes(record.body) });
      return { body: { type: "stored" } };
    }
    const first = body.type === "getValue" ? this.#first.get(body.key.key) : undefined;
    return first === undefined ? "honest" : { body: { type: "value", record: first } };
  }
}
