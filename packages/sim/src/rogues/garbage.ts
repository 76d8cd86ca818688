import type { InstantMs, RequestMessage } from "@kad/core";
import { Rogue, type RogueAnswer } from "./rogue.ts";

const longestBytes = 1_143;

/**
 * Answers pings as it should, so that it enters tables, and everything else with garbage, drawn each time: random bytes; a
 * good answer cut short; one with some bytes flipped; a value that its validator refuses; an answer of the wrong type; a
 * refusal without a reason.
 */
export class GarbageNode extends Rogue {
  protected override answer(_nowMs: InstantMs, request: RequestMessage): RogueAnswer {
    if (request.body.type === "ping") return "honest";
    switch (this.random.nextInt(6)) {
      case 0:
        return { bytes: this.#random(this.random.nextInt(longestBytes + 1)) };
      case 1: {
        const whole = this.#good(request);
        return { bytes: whole.subarray(0, this.random.nextInt(whole.length)) };
      }
      case 2: {
        const bytes = this.#good(request);
        for (let flips = 1 + this.random.nextInt(8); flips > 0; flips--)
          bytes[this.random.nextInt(bytes.length)] = this.random.nextInt(256);
        return { bytes };
      }
      case 3: {
        const key = "key" in request.body ? request.body.key : this.id;
        const body = this.#random(this.random.nextInt(1_000));
        const typeCode = 1 + this.random.nextInt(4);
        return { body: { type: "value", record: { typeCode, key, lifetimeMs: 60_000, body } } };
      }
      case 4:
        return { body: { type: this.random.chance(0.5) ? "pong" : "stored" } };
      default: {
        const bytes = this.encode(request, { type: "refused", reason: "busy" }) as Uint8Array;
        bytes[bytes.length - 1] = this.random.nextInt(256);
        return { bytes };
      }
    }
  }

  #good(request: RequestMessage): Uint8Array {
    const contacts = this.table.closest(request.sender, 20);
    return this.encode(request, { type: "nodes", contacts, token: undefined }) as Uint8Array;
  }

  #random(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.random.fill(bytes);
    return bytes;
  }
}
