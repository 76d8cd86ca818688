/**
 * Rates: so many at once, so many each second.
 */
import type { InstantMs } from "@kad/core";
import { LruMap } from "./lru-map.ts";

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: InstantMs;

  /** Full at first. */
  constructor(perSecond: number, burst: number, nowMs: InstantMs) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** `false`: there is none. */
  take(nowMs: InstantMs): boolean {
    const passedMs = nowMs - this.#filledAtMs;
    if (passedMs > 0) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (passedMs / 1_000) * this.#perSecond);
      this.#filledAtMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** A bucket for each source; of those that are too many, the one used longest ago is forgotten. */
export class SourceBuckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets: LruMap<string, TokenBucket>;

  constructor(perSecond: number, burst: number, maxSources: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#buckets = new LruMap(maxSources);
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(nowMs: InstantMs, source: string): boolean {
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#perSecond, this.#burst, nowMs);
      this.#buckets.set(source, bucket);
    }
    return bucket.take(nowMs);
  }
}
