/**
 * Bounds of the secure channel over datagrams (WIRE.md §3). Every number that a host may change stands here.
 */
import type { LimitSpec } from "@kad/core";
import { resolveSpecs } from "../limit-specs.ts";

/** Whole numbers all; defaults and ranges: {@link datagramLimitSpecs}. */
export interface DatagramLimits {
  /** Sessions at once; about 1 kB each. */
  readonly maxSessions: number;
  /** Sessions that one /24 or /48 has begun with us. */
  readonly maxSessionsPerPrefix: number;
  /** Addresses with which handshakes of ours are under way. */
  readonly maxAttempts: number;
  /** Messages that wait for a handshake. */
  readonly maxHeldMessages: number;
  /** Bytes of them together. */
  readonly maxHeldBytes: number;
  /** How long a handshake of ours may take: as long as a request of core's at most. */
  readonly handshakeTimeoutMs: number;
  /** HELLOs answered each second. Exempt addresses are not counted, here and below. */
  readonly hellosPerSecond: number;
  /** HANDSHAKEs taken up each second; by default a fifth of a core: 500 with `nodeProvider`, 25 with `nobleProvider`. */
  readonly handshakesPerSecond: number;
  /** Of one /24 or /48 each second, and four times as many at once. */
  readonly handshakesPerSecondAndPrefix: number;
  /**
   * Handshakes remembered so that none runs twice. When it is full, all cookies that are out are voided, and it begins
   * anew.
   */
  readonly maxSeenHandshakes: number;
  /** RESETs sent each second; by default none in a private network, where they would betray a listener. */
  readonly resetsPerSecond: number;
}

/** Where nothing else is said: a provider and a network may have defaults of their own. */
export const datagramLimitSpecs: Readonly<Record<keyof DatagramLimits, LimitSpec>> = {
  maxSessions: { value: 2_048, unit: "", min: 1, max: 2 ** 20 },
  maxSessionsPerPrefix: { value: 16, unit: "", min: 1, max: 2 ** 20 },
  maxAttempts: { value: 256, unit: "", min: 1, max: 65_536 },
  maxHeldMessages: { value: 512, unit: "", min: 1, max: 65_536 },
  maxHeldBytes: { value: 2 ** 19, unit: "bytes", min: 1_200, max: 2 ** 30 },
  handshakeTimeoutMs: { value: 10_000, unit: "ms", min: 1_000, max: 60_000 },
  hellosPerSecond: { value: 5_000, unit: "per second", min: 1, max: 1_000_000 },
  handshakesPerSecond: { value: 500, unit: "per second", min: 1, max: 100_000 },
  handshakesPerSecondAndPrefix: { value: 5, unit: "per second", min: 1, max: 100_000 },
  maxSeenHandshakes: { value: 8_192, unit: "", min: 1, max: 2 ** 20 },
  resetsPerSecond: { value: 10, unit: "per second", min: 0, max: 1_000 },
};

/**
 * @param defaults what differs from the table above by provider and network
 * @throws UsageError `invalidOption` that names the limit, the value and what is allowed
 */
export function resolveDatagramLimits(
  given: Partial<DatagramLimits>,
  defaults: Partial<DatagramLimits>,
): DatagramLimits {
  return resolveSpecs(datagramLimitSpecs, given, defaults);
}
