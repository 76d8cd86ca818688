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
  output.write(eventLine(event, fields));
}

/** With its line end. */
export function eventLine(event: string, fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ event, ...fields })}\n`;
}

/** The same fields, their numbers rounded as {@link roundedMs} does. */
export function roundedNumbers(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(fields);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "number" ? roundedMs(value) : value]),
  );
}

/** Microseconds are enough; more digits are noise. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
