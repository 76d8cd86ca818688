import { describe, expect, it } from "vitest";
import { runPatiently } from "../src/event-loop.ts";

describe("a loop that is run patiently", () => {
  it("goes on for as long as it was told, in pieces, or until it is done", async () => {
    const pieces: number[] = [];
    await runPatiently(
      (_isDone, forMs) => void pieces.push(forMs),
      () => pieces.length === 3,
      4_000,
    );
    expect(pieces).toEqual([100, 100, 100]);
    await runPatiently(
      (_isDone, forMs) => void pieces.push(forMs),
      () => false,
      80,
    );
    expect(pieces.slice(3)).toEqual(new Array(40).fill(2));
  });

  it("is not given up while the machine gives it no time", async () => {
    let nowMs = 0;
    let turns = 0;
    const run = (isDone: () => boolean, forMs: number): void => {
      const endMs = nowMs + forMs;
      for (; !isDone() && nowMs < endMs; turns++) nowMs += turns === 3 ? 60_000 : 1;
    };
    await runPatiently(run, () => turns >= 20, 400);
    expect(turns).toBe(20);
  });

  it("lets no promise go on between the pieces of a loop that blocks", async () => {
    let ran = false;
    let seen: boolean | undefined;
    const run = (): void => {
      seen = ran;
      void Promise.resolve().then(() => {
        ran = true;
      });
    };
    await runPatiently(run, () => false, 40);
    expect(seen).toBe(false);
  });
});
