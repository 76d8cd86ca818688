/**
 * Options that several commands have, and how their values are read. URLs are read by the node itself.
 */
import type { FlagSpec, ValueSpec } from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";

export const json: FlagSpec = {
  summary: "One JSON object a line, for programs",
};

export const bootstrap: ValueSpec<string> & { readonly multiple: true } = {
  value: "URL",
  summary:
    "A node of the network to join: udp://HOST:PORT, tcp://…, ws://…, wss://…; more than once for several, of which one " +
    "must answer",
  parse: url,
  multiple: true,
  env: "KAD_BOOTSTRAP",
};

export const timeout: ValueSpec<number> = {
  value: "TIME",
  summary: "How long to try: 500ms, 10s, 2m",
  parse: durationMs,
};

/** Only what no URL is; what is wrong with the rest of it, the node tells better. */
export function url(text: string): string {
  if (/^[a-z]+:\/\/\S+$/i.test(text)) return text;
  throw new WrongUsage(`"${oneLine(text)}" is no URL; udp://127.0.0.1:4100 would be one`);
}

export type Scheme = "udp" | "tcp" | "ws" | "wss";

/** `undefined` for one that no node has a transport for. */
export function schemeOf(text: string): Scheme | undefined {
  return /^(udp|tcp|wss?):/i.exec(text)?.[1]?.toLowerCase() as Scheme | undefined;
}

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };
const longestMs = 3_600_000;

/** `500ms`, `10s`, `2m`; a number alone is seconds. From 1 ms to an hour. */
export function durationMs(text: string): number {
  const [, number = "", unit = "s"] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = number === "" ? Number.NaN : Math.round(Number(number) * (msPerUnit[unit] as number));
  if (ms >= 1 && ms <= longestMs) return ms;
  throw new WrongUsage(`"${oneLine(text)}" is no time; allowed are 1ms to 60m, such as 500ms, 10s or 2m`);
}

/** A whole number in a range. */
export function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new WrongUsage(`"${oneLine(text)}"; allowed is a whole number from ${min} to ${max}`);
  };
}
