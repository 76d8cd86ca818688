import { describe, expect, it } from "vitest";
import { resolveLimits } from "../src/options.ts";
import { PeerHistory } from "../src/peer-history.ts";

const limits = resolveLimits({
  softTimeoutMinMs: 100,
  softTimeoutMaxMs: 2_000,
  softTimeoutFirstMs: 1_000,
  suspectAfterFailures: 2,
  suspectMs: 10_000,
  maxPeerHistories: 16,
});

function historyOf(...roundTripsMs: readonly number[]): PeerHistory {
  const history = new PeerHistory(limits);
  for (const rttMs of roundTripsMs) history.onAnswered("a", rttMs);
  return history;
}

describe("the estimate of a round trip", () => {
  it("is that of RFC 6298: the first sample, and half of it as deviation", () => {
    const history = historyOf(200);
    expect(history.smoothedRttMs("a")).toBe(200);
    expect(history.softTimeoutMs("a")).toBe(400);
  });

  it("moves by an eighth, and its deviation by a quarter, of what the next sample differs", () => {
    const history = historyOf(200, 280);
    expect(history.smoothedRttMs("a")).toBe(210);
    expect(history.softTimeoutMs("a")).toBe(210 + 2 * (100 + (80 - 100) / 4));
  });

  it.each([
    { rttMs: 1, expectedMs: 100 },
    { rttMs: 100_000, expectedMs: 2_000 },
  ])("gives a soft timeout within bounds: $expectedMs ms for $rttMs ms", ({ rttMs, expectedMs }) => {
    expect(historyOf(rttMs).softTimeoutMs("a")).toBe(expectedMs);
  });

  it("is a second before anybody was measured", () => {
    const history = historyOf();
    expect(history.softTimeoutMs("b")).toBe(1_000);
    expect(history.smoothedRttMs("b")).toBeUndefined();
  });

  it("of a peer never measured is that over all peers, with more caution, and no more than a second", () => {
    const history = historyOf(150, 150, 150, 150);
    expect(history.softTimeoutMs("b")).toBeGreaterThan(history.softTimeoutMs("a"));
    expect(history.softTimeoutMs("b")).toBeLessThan(1_000);
    expect(historyOf(900).softTimeoutMs("b")).toBe(1_000);
  });

  it("takes no sample from an answer that proves life but no time", () => {
    const history = historyOf();
    history.onAnswered("a", undefined);
    expect(history.smoothedRttMs("a")).toBeUndefined();
    expect(history.softTimeoutMs("a")).toBe(1_000);
  });
});

describe("a suspect", () => {
  it("has failed several times in a row, lately", () => {
    const history = historyOf();
    history.onFailed(0, "a");
    expect(history.isSuspect(0, "a")).toBe(false);
    history.onFailed(100, "a");
    expect(history.isSuspect(100, "a")).toBe(true);
    expect(history.isSuspect(10_099, "a")).toBe(true);
    expect(history.isSuspect(10_100, "a")).toBe(false);
    expect(history.isSuspect(100, "b")).toBe(false);
  });

  it.each([10, undefined])("is none any more once it has answered (round trip %s ms)", (rttMs) => {
    const history = historyOf();
    history.onFailed(0, "a");
    history.onFailed(0, "a");
    history.onAnswered("a", rttMs);
    expect(history.isSuspect(0, "a")).toBe(false);
    history.onFailed(0, "a");
    expect(history.isSuspect(0, "a")).toBe(false);
  });

  it("is forgiven, and its round trip remembered, when earlier failures say nothing", () => {
    const history = historyOf(50);
    history.onFailed(0, "a");
    history.onFailed(0, "a");
    history.forgive();
    expect(history.isSuspect(0, "a")).toBe(false);
    expect(history.smoothedRttMs("a")).toBe(50);
  });
});

describe("what is remembered", () => {
  it("of peers that never answer does not push out those that did: the oldest of the more numerous goes", () => {
    const history = historyOf(50);
    for (let i = 0; i < 7; i++) history.onAnswered(`other-${i}`, 10);
    for (let i = 0; i < 100; i++) for (const _twice of [1, 2]) history.onFailed(0, `silent-${i}`);
    expect(history.size).toBe(16);
    expect(history.smoothedRttMs("a")).toBe(50);
    const silent = Array.from({ length: 100 }, (_, i) => i).filter((i) =>
      history.isSuspect(0, `silent-${i}`),
    );
    expect(silent).toEqual([92, 93, 94, 95, 96, 97, 98, 99]);
  });

  it("of a peer that answers again is its round trip alone", () => {
    const history = historyOf();
    history.onFailed(0, "a");
    expect(history.size).toBe(1);
    history.onAnswered("a", 10);
    expect(history.size).toBe(1);
    history.onFailed(0, "a");
    expect(history.size).toBe(2);
    history.forgive();
    expect(history.size).toBe(1);
  });

  it("is bounded: the peer first heard of goes first", () => {
    const history = historyOf(50);
    for (let i = 0; i < 15; i++) history.onAnswered(`other-${i}`, 10);
    expect(history.size).toBe(16);
    history.onFailed(0, "one too many");
    expect(history.size).toBe(16);
    expect(history.smoothedRttMs("a")).toBeUndefined();
    expect(history.smoothedRttMs("other-0")).toBe(10);
  });
});
