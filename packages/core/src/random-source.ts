/**
 * The random numbers of a node, made of its host's bytes. These are drawn 128 at a time: a call of the host's costs more
 * than its bytes, and a buffer for each user of numbers would cost more than all of them.
 */
import { HookError } from "./errors.ts";
import type { Reporter } from "./hooks.ts";
import { readU32 } from "./wire/reader.ts";

const bytesPerDraw = 128;

export class RandomSource {
  readonly #random: { fill(into: Uint8Array): void };
  readonly #reporter: Reporter;
  /** The last draw, used from its front. */
  #bytes: Uint8Array | undefined = undefined;
  #at = bytesPerDraw;

  /** @param reporter told of what `random` throws */
  constructor(random: { fill(into: Uint8Array): void }, reporter: Reporter) {
    this.#random = random;
    this.#reporter = reporter;
  }

  /** 0 to 2^32 − 1; `undefined`: the hook threw, and nothing that must not be guessed may be made. */
  u32(): number | undefined {
    this.#bytes ??= new Uint8Array(bytesPerDraw);
    if (this.#at === bytesPerDraw) {
      if (!this.fill(this.#bytes)) return undefined;
      this.#at = 0;
    }
    const number = readU32(this.#bytes, this.#at);
    this.#at += 4;
    return number;
  }

  /** 0 to just under 1; 0 where the hook threw. */
  share(): number {
    return (this.u32() ?? 0) / 2 ** 32;
  }

  /** `false`: the hook threw, and the bytes are not random. */
  fill(into: Uint8Array): boolean {
    try {
      this.#random.fill(into);
      return true;
    } catch (error) {
      this.#reporter.report(new HookError("random", error));
      return false;
    }
  }
}
