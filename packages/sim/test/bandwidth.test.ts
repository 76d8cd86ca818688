import { describe, expect, it } from "vitest";
import { Line } from "../src/bandwidth.ts";

describe("a line", () => {
  it("carries its bytes a second, one packet after the other", () => {
    const line = new Line({ bytesPerSecond: 1_000 });
    expect(line.take(0, 100)).toBe(100_000);
    expect(line.take(0, 100)).toBe(200_000);
    expect(line.take(500_000, 50)).toBe(550_000);
  });

  it("drops what finds its queue full, and takes packets again once it has drained", () => {
    const line = new Line({ bytesPerSecond: 1_000, queueBytes: 150 });
    expect([line.take(0, 100), line.take(0, 100), line.take(0, 100)]).toEqual([100_000, 200_000, undefined]);
    expect(line.waitingBytes(0)).toBe(200);
    expect(line.take(50_000, 100)).toBe(300_000);
  });

  it.each([{ bytesPerSecond: 0 }, { bytesPerSecond: Number.NaN }, { bytesPerSecond: 1, queueBytes: -1 }])(
    "refuses %o",
    (bandwidth) => {
      expect(() => new Line(bandwidth)).toThrow(/bandwidth: /);
    },
  );
});
