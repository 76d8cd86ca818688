import { describe, expect, it } from "vitest";
import { WrongUsage } from "../src/failure.ts";
import { count, durationMs, url } from "../src/options.ts";

describe("values of options", () => {
  it.each([
    ["500ms", 500],
    ["10s", 10_000],
    ["2m", 120_000],
    ["3", 3_000],
    ["0.5", 500],
    ["1.5s", 1_500],
    ["1ms", 1],
    ["60m", 3_600_000],
  ])("reads the time %s as %d ms", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  it.each(["", "0", "0ms", "0.1ms", "61m", "-1s", "1h", "1e3", "s", "1 s", "NaN", "1s\u001b[2J"])(
    "refuses %j as a time, and says what is allowed",
    (text) => {
      expect(() => durationMs(text)).toThrow(WrongUsage);
      expect(() => durationMs(text)).toThrow(/^"[^\p{Cc}]*" is no time; allowed are 1ms to 60m/u);
    },
  );

  it("reads whole numbers within a range", () => {
    const parse = count(4, 500);
    expect([parse("4"), parse("500")]).toEqual([4, 500]);
    for (const text of ["3", "501", "4.5", "0x10", "", "-4"]) expect(() => parse(text)).toThrow(WrongUsage);
  });

  it("takes for a URL what looks like one, and leaves the rest to the node", () => {
    expect(url("udp://127.0.0.1:4100")).toBe("udp://127.0.0.1:4100");
    for (const text of ["", "127.0.0.1:4100", "udp:/127.0.0.1", "udp://a b"]) {
      expect(() => url(text)).toThrow(/is no URL; udp:\/\/127.0.0.1:4100 would be one/);
    }
  });
});
