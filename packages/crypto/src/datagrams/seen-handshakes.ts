/**
 * Handshakes that have run, by their ephemeral key, for as long as their cookies live: none runs twice. The last of our
 * answers are kept, since an answer may get lost.
 */

import type { PeerPath } from "../peer-path.ts";
import { cookieLifetimeSeconds } from "./cookies.ts";

/** An ACCEPT as it was sent. */
export interface KeptAccept {
  readonly path: PeerPath;
  readonly bytes: Uint8Array;
  /** How often it may go out again: the initiator sends its HANDSHAKE three times. */
  repeats: number;
}

const maxKept = 256;
const maxRepeats = 4;

export class SeenHandshakes {
  /** To the second in which it was seen, in the order of time. */
  readonly #seen = new Map<string, number>();
  /** In the order of time. */
  readonly #accepts = new Map<string, KeptAccept>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#seen.size;
  }

  get kept(): number {
    return this.#accepts.size;
  }

  get limits(): { readonly seen: number; readonly kept: number } {
    return { seen: this.#limit, kept: maxKept };
  }

  has(key: string): boolean {
    return this.#seen.has(key);
  }

  /** `false`: there is no room. All cookies that are out must be voided then, and everything forgotten with `clear`. */
  add(second: number, key: string): boolean {
    for (const [old, seenSecond] of this.#seen) {
      // Its cookie was older than itself.
      if (seenSecond + cookieLifetimeSeconds >= second) break;
      this.#seen.delete(old);
      this.#accepts.delete(old);
    }
    if (this.#seen.size >= this.#limit) return false;
    this.#seen.set(key, second);
    return true;
  }

  /** Keeps an answer; the oldest makes room. */
  keep(key: string, path: PeerPath, bytes: Uint8Array): void {
    for (const oldest of this.#accepts.keys()) {
      if (this.#accepts.size < maxKept) break;
      this.#accepts.delete(oldest);
    }
    this.#accepts.set(key, { path, bytes, repeats: maxRepeats });
  }

  /** The answer to a handshake that comes again, where it may go out again. */
  repeat(key: string): KeptAccept | undefined {
    const kept = this.#accepts.get(key);
    if (kept === undefined || kept.repeats === 0) return undefined;
    kept.repeats--;
    return kept;
  }

  clear(): void {
    this.#seen.clear();
    this.#accepts.clear();
  }
}
