import { expect, it } from "vitest";
import { systemRandom } from "../src/system-random.ts";

it("fills arrays of any length to their end", () => {
  for (const length of [0, 1, 65_536, 65_537, 200_000]) {
    const [one, two] = [new Uint8Array(length), new Uint8Array(length)];
    systemRandom.fill(one);
    systemRandom.fill(two);
    if (length >= 65_536) {
      expect(one).not.toEqual(two);
      expect(one.subarray(-64).some((byte) => byte !== 0)).toBe(true);
    }
  }
});
