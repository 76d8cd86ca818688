/**
 * How many nodes there are, from how close the closest ones of recent lookups lie; and whether a neighbourhood is denser
 * than that allows.
 *
 * Ids are spread evenly, so the k-th closest of N nodes to a random target lies at a share d of the space that follows a
 * gamma distribution of shape k and rate N. Its median is (k − 1/3)/N, so each lookup gives N ≈ (k − 1/3)/d, too large as
 * often as too small. The estimate is the median over lookups, where pubky/mainline (`closest_nodes.rs`) and go-libp2p
 * (`netsize.go`) take weighted means: a few walks that ended early, or ran into liars, do not move it.
 *
 * Only + − × ÷ are used: logarithms and powers differ between engines in the last digit, and a run must not.
 */
import { distanceShare } from "./distance.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Gauge } from "./stats.ts";

/** Lookups remembered: with 20 nodes each, the estimate is then within about 4 % (one standard deviation). */
const maxSamples = 64;
/** POLICIES §1: fewer say too little. */
const minSamples = 5;
/** POLICIES §1: networks grow and shrink. */
const sampleLifetimeMs = 2 * 60 * 60 * 1_000;
/** Once there are enough, one in so long: a busy node should not judge by its last second alone. */
const sampleGapMs = 1_000;

/**
 * `fewestExpected[n]`: when only so many nodes are expected within a distance, n or more lie there once in a million
 * lookups: the λ for which a Poisson variable of mean λ is at least n with probability 10⁻⁶. So a lookup of 20 nodes
 * raises a false alarm at most 17 times in a million. Ranks below 4 are left out: so few hold no reader's quorum.
 */
const fewestExpected: readonly (number | undefined)[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  0.070992,
  0.169063,
  0.313031,
  0.499819,
  0.725347,
  0.985569,
  1.276819,
  1.595884,
  1.939986,
  2.30673,
  2.694048,
  3.100147,
  3.523468,
  3.962645,
  4.416479,
  4.883907,
  5.363987,
];

/** Numbers of a sample: the first bits of its target, the size of the network that it tells, and when it was taken. */
const sampleLength = 3;

export class NetworkSize {
  /** Three numbers for each sample, the oldest first: a node that works takes dozens, and keeps them for hours. */
  #samples: readonly number[] = [];
  /** Median of the samples, until they change. */
  #median: number | undefined = undefined;

  get samples(): Gauge {
    return { used: this.#samples.length / sampleLength, limit: maxSamples };
  }

  /**
   * A walk to `target` has converged and `closest` have answered, in any order; we ourselves are not among them. Targets
   * should be unrelated to each other: a second walk to the same one (whose first 32 bits are) replaces the first. A node whose id is the target
   * does not count, since it was not drawn by chance.
   */
  onLookup(nowMs: InstantMs, target: NodeId, closest: readonly NodeId[]): void {
    this.#forget(nowMs);
    const newestAtMs = this.#samples.at(-1) ?? Number.NEGATIVE_INFINITY;
    const isFull = this.#samples.length === maxSamples * sampleLength;
    if (isFull && nowMs - newestAtMs < sampleGapMs) return;
    const shares = sharesTo(target, closest);
    const farthest = shares.at(-1);
    // Nobody, or all nearer than can be measured: only ids that were made for this target lie there.
    if (farthest === undefined || farthest === 0) return;
    const size = (shares.length - 1 / 3) / farthest;
    this.#keep((prefix) => prefix !== target.prefixBits);
    const isStillFull = this.#samples.length === maxSamples * sampleLength;
    const room = isStillFull ? this.#samples.toSpliced(0, sampleLength) : this.#samples;
    this.#samples = room.concat(target.prefixBits, size, nowMs);
  }

  /** Nodes in the network apart from us; `undefined` until 5 lookups within 2 h tell. */
  estimate(nowMs: InstantMs): number | undefined {
    this.#forget(nowMs);
    if (this.#samples.length < minSamples * sampleLength) return undefined;
    this.#median ??= medianOf(this.#samples.filter((_, i) => i % sampleLength === 1));
    return this.#median;
  }

  /**
   * The share of the id space around any target in which its `count` closest nodes are expected, 1 at most: a put that
   * has stored nowhere farther has met liars or a gap. `undefined` while there is no estimate.
   */
  expectedDistanceShare(nowMs: InstantMs, count: number): number | undefined {
    const size = this.estimate(nowMs);
    return size === undefined ? undefined : Math.min(1, count / size);
  }

  /**
   * The eclipse alarm: so many nodes lie so close to `target` that chance would do it once in a million. Each number of
   * closest nodes from 4 to 20 is looked at by itself, so that a few honest ones farther out do not hide a ring of
   * strangers. `false` while there is no estimate. A warning, no proof: in a network that grew threefold within the
   * memory of 2 h it may be wrong.
   */
  isTooDense(nowMs: InstantMs, target: NodeId, closest: readonly NodeId[]): boolean {
    const size = this.estimate(nowMs);
    if (size === undefined) return false;
    return sharesTo(target, closest).some((share, index) => {
      const threshold = fewestExpected[index + 1];
      return threshold !== undefined && share * size < threshold;
    });
  }

  #forget(nowMs: InstantMs): void {
    const oldestAtMs = this.#samples[sampleLength - 1] ?? nowMs;
    if (nowMs - oldestAtMs >= sampleLifetimeMs) this.#keep((_, atMs) => nowMs - atMs < sampleLifetimeMs);
  }

  /** Keeps the samples for which `isKept` holds. */
  #keep(isKept: (prefix: number, atMs: InstantMs) => boolean): void {
    const kept: number[] = [];
    const samples = this.#samples;
    for (let i = 0; i < samples.length; i += sampleLength) {
      const prefix = samples[i] as number;
      const atMs = samples[i + 2] as InstantMs;
      if (isKept(prefix, atMs)) kept.push(prefix, samples[i + 1] as number, atMs);
    }
    this.#samples = [...kept];
    this.#median = undefined;
  }
}

function medianOf(sizes: number[]): number {
  sizes.sort((a, b) => a - b);
  const upper = sizes[sizes.length >> 1] as number;
  const lower = sizes[(sizes.length - 1) >> 1] as number;
  return (lower + upper) / 2;
}

/** Distances as shares of the space, the closest first; the target itself left out. Those too small to measure are 0. */
function sharesTo(target: NodeId, ids: readonly NodeId[]): number[] {
  return ids
    .filter((id) => !id.equals(target))
    .map((id) => distanceShare(target, id))
    .sort((a, b) => a - b);
}
