/** Values of the options of `kad sim`. */
import type { ChurnPlan } from "@kad/sim";
import { oneLine, WrongUsage } from "../failure.ts";

const msPerUnit: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `50ms`, `30s`, `10m`, `1h`, `2d`, from 0 to `maxMs`; the unit must be said. */
export function spanMs(maxMs: number): (text: string) => number {
  return (text) => {
    const ms = spanOf(text);
    if (ms !== undefined && ms <= maxMs) return ms;
    throw new WrongUsage(
      `"${oneLine(text)}"; allowed is a time from 0ms to ${shownSpan(maxMs)}, such as 50ms, 30s, 10m, 1h, 2d`,
    );
  };
}

/** In the largest unit in which it is a whole number. */
function shownSpan(ms: number): string {
  const [unit, size] = Object.entries(msPerUnit).findLast(([, one]) => ms % one === 0) as [string, number];
  return `${ms / size}${unit}`;
}

/** `0.1`, `10%`. */
export function share(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text) ?? [];
  const value = Number(number) / (percent === "%" ? 100 : 1);
  if (value >= 0 && value <= 1) return value;
  throw new WrongUsage(`"${oneLine(text)}"; allowed is a share from 0 to 1, such as 0.1 or 10%`);
}

export interface ShareOf<K extends string> {
  readonly kind: K;
  /** As it was typed. */
  readonly typed: string;
  readonly share: number;
}

/** `silent=0.1`, `silent=10%`. */
export function shareOf<K extends string>(kinds: Readonly<Record<string, K>>): (text: string) => ShareOf<K> {
  return (text) => {
    const [typed = "", value] = text.split("=", 2);
    const kind = Object.hasOwn(kinds, typed) ? kinds[typed] : undefined;
    if (kind !== undefined && value !== undefined) return { kind, typed, share: share(value) };
    const [first] = Object.keys(kinds);
    throw new WrongUsage(
      `"${oneLine(text)}"; allowed are ${Object.keys(kinds).join(", ")} with a share, such as ${first}=10%`,
    );
  };
}

/** `0.3/h`: sessions that end; `1h`: half of them within so long. */
export function churn(text: string): ChurnPlan {
  const [, number] = /^(\d+(?:\.\d+)?)\/h$/.exec(text) ?? [];
  const endsPerHour = Number(number);
  if (endsPerHour > 0 && endsPerHour <= 1_000) return { endsPerHour };
  const medianMs = spanOf(text);
  if (number === undefined && medianMs !== undefined && medianMs > 0) return { medianMs };
  throw new WrongUsage(
    `"${oneLine(text)}"; allowed are sessions that end in an hour, such as 0.3/h (up to 1000/h), and their median, such as 1h`,
  );
}

/** A number in a range, with or without a fraction. */
export function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new WrongUsage(`"${oneLine(text)}"; allowed is a number from ${min} to ${max}`);
  };
}

function spanOf(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(amount) * (msPerUnit[unit] as number);
}
