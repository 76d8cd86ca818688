/**
 * Virtual time is counted in whole microseconds, so that instants are exact, have one spelling in a trace, and are the same
 * in every engine. Hosts and options speak of milliseconds, as core does.
 */
import type { InstantMs } from "@kad/core";

/** Whole microseconds since a simulation began. 2^53 of them are 285 years. */
export type InstantUs = number;

const usPerMs = 1_000;

export function toMs(us: number): number {
  return us / usPerMs;
}

/** The first microsecond at which the instant has come: a timer set for it never fires early, and at whole ones not late. */
export function toUs(ms: number): number {
  const us = Math.ceil(ms * usPerMs);
  // The product is rounded, perhaps to just before the instant, or to just behind a whole microsecond.
  if (us / usPerMs < ms) return us + 1;
  return (us - 1) / usPerMs >= ms ? us - 1 : us;
}

/** `12.345`: milliseconds with three digits. */
export function formatUs(us: InstantUs): string {
  const rest = us % usPerMs;
  const digits = rest < 10 ? `00${rest}` : rest < 100 ? `0${rest}` : String(rest);
  return `${(us - rest) / usPerMs}.${digits}`;
}

export const minuteMs: InstantMs = 60_000;
export const hourMs: InstantMs = 60 * minuteMs;
