/**
 * What `--json` prints: one object a line, the event's name first.
 */
import type { Output } from "./io.ts";

/** Bytes and ids are given as text; what is `undefined` is left out. */
export function writeEvent(
  output: Output,
  event: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  output.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/** Microseconds are enough; more digits are noise. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
