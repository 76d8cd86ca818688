import { expect, it } from "vitest";
import { runTrial } from "../../src/index.ts";

/** One test for each seed, whose failure names the seed and the command that runs it again. */
export function trials(first: number, last: number): void {
  const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  it.each(seeds)("seed %i", (seed) => {
    const { progress, packets } = runTrial({ seed });
    expect(progress.hosts).toBeGreaterThan(0);
    expect(packets).toBeGreaterThan(0);
  });
}
