/**
 * Request ids: 64 random bits each, drawn many at a time. The low half is also the tag of the transmit.
 */
import type { RequestId } from "./protocol.ts";
import { readU32 } from "./wire/reader.ts";

/** Random bytes are drawn for so many ids at once. */
const idsPerDraw = 64;

export class RequestIds {
  readonly #random: { fill(into: Uint8Array): unknown };
  readonly #isTaken: (low: number) => boolean;
  readonly #bytes = new Uint8Array(8 * idsPerDraw);
  #at = 8 * idsPerDraw;

  /** @param isTaken whether a request with this low half is under way */
  constructor(random: { fill(into: Uint8Array): unknown }, isTaken: (low: number) => boolean) {
    this.#random = random;
    this.#isTaken = isTaken;
  }

  /**
   * The low half is neither 0 nor taken: it counts on from one that is, so that a broken source of random bytes cannot
   * hold the node up. `undefined`: there is no randomness.
   */
  next(): RequestId | undefined {
    if (this.#at === this.#bytes.length) {
      if (this.#random.fill(this.#bytes) === false) return undefined;
      this.#at = 0;
    }
    const high = readU32(this.#bytes, this.#at);
    let low = readU32(this.#bytes, this.#at + 4);
    this.#at += 8;
    while (low === 0 || this.#isTaken(low)) low = (low + 1) >>> 0;
    return { high, low };
  }
}
