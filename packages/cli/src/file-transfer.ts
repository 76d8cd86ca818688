/**
 * How far a file has come, in a line.
 */
import { bar } from "./screen.ts";
import { shownBytes } from "./text.ts";

const barWidth = 20;
/** A rate over less is noise. */
const leastMs = 500;

/** `██████░░░░  3.4 of 10.0 MB, 230 kB/s`; without a bar where the size is not known. */
export function describeTransfer(bytes: number, size: number | undefined, elapsedMs: number): string {
  const rate = elapsedMs < leastMs ? "" : `, ${shownBytes(Math.round((bytes * 1_000) / elapsedMs))}/s`;
  if (size === undefined) return `${shownBytes(bytes)}${rate}`;
  return `${bar(bytes, size, barWidth)}  ${shownBytes(bytes)} of ${shownBytes(size)}${rate}`;
}
