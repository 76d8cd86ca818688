import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RateLimiter, type RateLimits, type RateVerdict, TokenBucket } from "../src/rate-limiter.ts";

const limits: RateLimits = { requestsPerSecond: 10, requestBurst: 20, banMs: 300_000, maxSources: 16 };

/** `count` requests at one instant, and how often each verdict came. */
function ask(
  limiter: RateLimiter,
  nowMs: number,
  source: string,
  count: number,
): Partial<Record<RateVerdict, number>> {
  const verdicts: Partial<Record<RateVerdict, number>> = {};
  for (let i = 0; i < count; i++) {
    const verdict = limiter.take(nowMs, source);
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  }
  return verdicts;
}

describe("TokenBucket", () => {
  it("gives its burst at once, then its rate", () => {
    const bucket = new TokenBucket(10, 3);
    const taken: boolean[] = [];
    for (const nowMs of [0, 0, 0, 0, 99, 100, 100, 250, 250, 300]) taken.push(bucket.take(nowMs));
    expect(taken).toEqual([true, true, true, false, false, true, false, true, false, true]);
  });

  it("gathers no more than its burst, and says when the next is there", () => {
    const bucket = new TokenBucket(10, 2);
    expect(bucket.nextAtMs(7)).toBe(7);
    bucket.take(7);
    bucket.take(1_000_000);
    bucket.take(1_000_000);
    expect(bucket.take(1_000_000)).toBe(false);
    expect(bucket.nextAtMs(1_000_000)).toBe(1_000_100);
    expect(bucket.nextAtMs(1_000_060)).toBeCloseTo(1_000_100, 6);
  });

  it("takes no notice of time that runs backwards", () => {
    const bucket = new TokenBucket(10, 1);
    expect(bucket.take(1_000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(1_050)).toBe(false);
    expect(bucket.take(1_100)).toBe(true);
  });

  it("never gives more than burst + rate × time, in any window", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 120 });
    fc.assert(
      fc.property(steps, (waitsMs) => {
        const bucket = new TokenBucket(5, 4);
        const takenAtMs: number[] = [];
        let nowMs = 0;
        for (const waitMs of waitsMs) {
          nowMs += waitMs;
          if (bucket.take(nowMs)) takenAtMs.push(nowMs);
        }
        takenAtMs.forEach((startMs, i) => {
          takenAtMs.forEach((endMs, j) => {
            if (j >= i) expect(j - i + 1).toBeLessThanOrEqual(4 + ((endMs - startMs) * 5) / 1_000 + 1e-6);
          });
        });
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});

describe("RateLimiter", () => {
  it("allows a burst, then limits, and bans who goes on past three bursts", () => {
    const limiter = new RateLimiter(limits);
    expect(ask(limiter, 0, "a", 20)).toEqual({ allowed: 20 });
    expect(ask(limiter, 0, "a", 40)).toEqual({ limited: 40 });
    expect(limiter.bans).toBe(0);
    expect(ask(limiter, 0, "a", 3)).toEqual({ newlyBanned: 1, banned: 2 });
    expect(limiter.bans).toBe(1);
    expect(ask(limiter, 0, "b", 20)).toEqual({ allowed: 20 });
  });

  it("bans end, however much the source has asked meanwhile (bans that never end, POLICIES §3.6)", () => {
    const limiter = new RateLimiter(limits);
    ask(limiter, 0, "a", 61);
    for (let nowMs = 0; nowMs < limits.banMs; nowMs += 1_000) expect(limiter.take(nowMs, "a")).toBe("banned");
    expect(limiter.take(limits.banMs - 1, "a")).toBe("banned");
    expect(ask(limiter, limits.banMs, "a", 20)).toEqual({ allowed: 20 });
    expect([limiter.bans, limiter.size]).toEqual([0, 1]);
  });

  it("never bans a source that keeps to twice the rate, and always one that asks three times as much", () => {
    for (const [perSecond, isBanned] of [
      [10, false],
      [19, false],
      [30, true],
    ] as const) {
      const limiter = new RateLimiter(limits);
      const seen = new Set<RateVerdict>();
      for (let i = 0; i < 600 * perSecond; i++) seen.add(limiter.take((i * 1_000) / perSecond, "a"));
      expect(seen.has("newlyBanned")).toBe(isBanned);
      expect(seen.has("limited")).toBe(perSecond > 10);
    }
  });

  it("tracks no more than its sources and forgets who was silent for longest", () => {
    const limiter = new RateLimiter(limits);
    for (let i = 0; i < 16; i++) ask(limiter, i, `s${i}`, 20);
    limiter.take(16, "s0");
    limiter.take(17, "new");
    expect(limiter.size).toBe(16);
    expect(limiter.take(17, "s0")).toBe("limited");
    expect(limiter.take(17, "s2")).toBe("limited");
    expect(limiter.take(17, "s1")).toBe("allowed");
  });

  it("forgets a source that was silent until all is as if it had never asked, and none sooner", () => {
    const limiter = new RateLimiter(limits);
    ask(limiter, 0, "a", 59);
    limiter.take(3_999, "b");
    expect(limiter.size).toBe(2);
    limiter.take(4_000, "b");
    expect(limiter.size).toBe(1);
    expect(ask(limiter, 4_000, "a", 61)).toEqual({ allowed: 20, limited: 40, newlyBanned: 1 });
  });

  it("tracks as many as have asked lately: fewer when fewer ask, and none when told that time has passed", () => {
    const limiter = new RateLimiter({ ...limits, maxSources: 1_000 });
    for (let i = 0; i < 500; i++) limiter.take(0, `s${i}`);
    for (let i = 0; i < 250; i++) limiter.take(4_000, `t${i % 50}`);
    expect(limiter.size).toBe(50);
    ask(limiter, 4_000, "banned", 61);
    limiter.forgetIdle(8_000);
    expect([limiter.size, limiter.bans]).toEqual([1, 1]);
    limiter.forgetIdle(4_000 + limits.banMs);
    expect([limiter.size, limiter.bans]).toEqual([0, 0]);
  });

  it("keeps a ban through a flood of forged sources", () => {
    const limiter = new RateLimiter(limits);
    ask(limiter, 0, "a", 61);
    for (let i = 0; i < 10_000; i++) limiter.take(1, `forged${i}`);
    expect(limiter.size).toBe(16);
    expect(limiter.take(2, "a")).toBe("banned");
  });

  it("lets bans fill no more than half of the table: the oldest ends early", () => {
    const limiter = new RateLimiter(limits);
    for (let i = 0; i < 9; i++) ask(limiter, i, `s${i}`, 61);
    expect(limiter.bans).toBe(8);
    expect(limiter.take(10, "s1")).toBe("banned");
    expect(limiter.take(10, "s8")).toBe("banned");
    expect(limiter.take(10, "s0")).toBe("allowed");
  });

  it("forgets ended bans before sources that are still heard", () => {
    const limiter = new RateLimiter(limits);
    ask(limiter, 0, "banned", 61);
    for (let i = 0; i < 15; i++) ask(limiter, limits.banMs, `s${i}`, 20);
    limiter.take(limits.banMs, "new");
    expect([limiter.bans, limiter.size]).toEqual([0, 16]);
    expect(limiter.take(limits.banMs, "s0")).toBe("limited");
  });

  it("agrees with a table that forgets nothing while there are no more sources than it tracks", () => {
    const step = fc.record({
      waitMs: fc.constantFrom(0, 1, 50, 3_000, 400_000),
      source: fc.constantFrom("a", "b", "c", "d"),
      count: fc.integer({ min: 1, max: 70 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const limiter = new RateLimiter(limits);
        const model = new NaiveLimiter();
        let nowMs = 0;
        for (const { waitMs, source, count } of steps) {
          nowMs += waitMs;
          for (let i = 0; i < count; i++) expect(limiter.take(nowMs, source)).toBe(model.take(nowMs, source));
          expect(limiter.bans).toBeLessThanOrEqual(limiter.size);
        }
      }),
      { seed: 6, numRuns: 200 },
    );
  });
});

/** The rules without the bookkeeping: it forgets no source. */
class NaiveLimiter {
  readonly #sources = new Map<
    string,
    { allowed: number; patience: number; atMs: number; bannedUntilMs: number }
  >();

  take(nowMs: number, name: string): RateVerdict {
    const source = this.#sources.get(name) ?? { allowed: 20, patience: 40, atMs: nowMs, bannedUntilMs: -1 };
    this.#sources.set(name, source);
    if (nowMs < source.bannedUntilMs) return "banned";
    const gained = ((nowMs - source.atMs) * 10) / 1_000;
    source.atMs = nowMs;
    source.allowed = Math.min(20, source.allowed + gained);
    source.patience = Math.min(40, source.patience + gained);
    if (source.allowed >= 1) {
      source.allowed--;
      return "allowed";
    }
    if (source.patience >= 1) {
      source.patience--;
      return "limited";
    }
    source.bannedUntilMs = nowMs + 300_000;
    return "newlyBanned";
  }
}
