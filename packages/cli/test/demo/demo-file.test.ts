import { expect, it } from "vitest";
import { chunksOf, recordsOf } from "../../src/demo/demo-file.ts";

it.each([
  [0, 1, 1],
  [992, 1, 1],
  [993, 2, 3],
  [992 * 30, 30, 31],
  [992 * 30 + 1, 31, 34],
  [1_000_000, 1_009, 1_046],
])("%i bytes are %i chunks, and %i records in all", (length, chunks, records) => {
  const file = { name: "file", bytes: new Uint8Array(length) };
  expect([chunksOf(file), recordsOf(file)]).toEqual([chunks, records]);
});
