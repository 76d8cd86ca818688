/**
 * When a host tells its node the wall clock: at the start, hourly, and when it has jumped against the monotonic clock,
 * which is how a node notices that the machine slept. Every adapter keeps one; the host reads both clocks.
 */
import type { InstantMs, NetworkEvent } from "./machine.ts";

const intervalMs = 3_600_000;
/** The two clocks drift apart by far less between two looks; a step of NTP or of a person, or a suspend, is more. */
const jumpMs = 1_000;

export class WallClock {
  readonly #deliver: (event: NetworkEvent) => void;
  /** Wall clock less monotonic clock, as last told. */
  #gapMs = Number.NaN;
  #dueAtMs: InstantMs = Number.NEGATIVE_INFINITY;

  /** `deliver`: the driver's. */
  constructor(deliver: (event: NetworkEvent) => void) {
    this.#deliver = deliver;
  }

  /** When to call {@link check} at the latest. */
  get dueAtMs(): InstantMs {
    return this.#dueAtMs;
  }

  /** For every time that a timer fires or a wait ends; the first call tells. `true`: told, so pump. */
  check(nowMs: InstantMs, unixMs: number): boolean {
    const gapMs = unixMs - nowMs;
    if (nowMs < this.#dueAtMs && Math.abs(gapMs - this.#gapMs) <= jumpMs) return false;
    this.#gapMs = gapMs;
    this.#dueAtMs = nowMs + intervalMs;
    this.#deliver({ type: "wallClock", unixMs });
    return true;
  }
}
