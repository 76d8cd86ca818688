import { expect, it } from "vitest";
import { describeTransfer } from "../src/file-transfer.ts";

it.each([
  [0, undefined, 0, "0 B"],
  [2_500_000, undefined, 2_000, "2.5 MB, 1.3 MB/s"],
  [0, 1_000, 0, "░░░░░░░░░░░░░░░░░░░░  0 B of 1.0 kB"],
  [500, 1_000, 499, "██████████░░░░░░░░░░  500 B of 1.0 kB"],
  [1_000, 1_000, 500, "████████████████████  1.0 kB of 1.0 kB, 2.0 kB/s"],
  [0, 0, 0, "████████████████████  0 B of 0 B"],
])("%i of %s bytes after %i ms is shown as %s", (bytes, size, elapsedMs, shown) => {
  expect(describeTransfer(bytes, size, elapsedMs)).toBe(shown);
});
