/**
 * Whether to ask if a record is held before it is put.
 *
 * An answer saves a put, which takes ten times as many requests; asking in vain is a loss. When a put goes on where an
 * earlier one was interrupted, the records of that one are held, and none after them, but for some in between that were
 * under way. So the check lives on a credit: each question takes one, each record found gives several back, up to a bound
 * that outlasts the gaps. A new file loses a few questions; a short one is put before any is asked.
 */
export class HeldCheck {
  readonly #resume: boolean | undefined;
  readonly #maxCredit: number;
  #credit = firstCredit;
  #unasked: number;

  /** @param concurrency records put at once: so many may be missing in front of others that are held */
  constructor(resume: boolean | undefined, concurrency: number) {
    this.#resume = resume;
    this.#maxCredit = firstCredit + 2 * concurrency;
    this.#unasked = concurrency;
  }

  /** To be asked once for each record. */
  wants(): boolean {
    if (this.#resume !== undefined) return this.#resume;
    if (this.#unasked > 0) {
      this.#unasked--;
      return false;
    }
    if (this.#credit === 0) return false;
    this.#credit--;
    return true;
  }

  /** The record asked for is held. */
  onHeld(): void {
    this.#credit = Math.min(this.#maxCredit, this.#credit + creditPerRecord);
  }
}

const firstCredit = 4;
const creditPerRecord = 4;
