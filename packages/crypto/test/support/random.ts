import { createHash } from "node:crypto";
import type { RandomSource } from "../../src/provider.ts";

/** The same seed gives the same bytes. Counts what was drawn. */
export class SeededRandom implements RandomSource {
  readonly #seed: string;
  #block: Buffer = Buffer.alloc(0);
  #blocks = 0;
  drawn = 0;

  constructor(seed: string | number) {
    this.#seed = String(seed);
  }

  fill(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.#next();
    this.drawn += into.length;
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    return (((this.#next() << 16) | (this.#next() << 8) | this.#next()) >>> 0) % below;
  }

  /** 0 to just under 1. */
  share(): number {
    return this.below(2 ** 24) / 2 ** 24;
  }

  #next(): number {
    if (this.#block.length === 0) {
      this.#block = createHash("sha256")
        .update(`${this.#seed}/${this.#blocks++}`)
        .digest();
    }
    const byte = this.#block[0] as number;
    this.#block = this.#block.subarray(1);
    return byte;
  }
}
