/**
 * Bounds of the secure channel over streams (WIRE.md §4). Every number that a host may change stands here.
 */
import type { LimitSpec } from "@kad/core";
import { resolveSpecs } from "../limit-specs.ts";

/** Whole numbers all; defaults and ranges: {@link streamLimitSpecs}. */
export interface StreamLimits {
  /** Connections at once. */
  readonly maxConnections: number;
  /** Of them, those that others have begun and whose handshake is not over. */
  readonly maxHandshakes: number;
  /** Largest message. */
  readonly maxMessageBytes: number;
  /** Parts of messages that have arrived in all connections. */
  readonly maxPartsBytes: number;
  /** Messages that wait to be sent. An eighth of them for one connection. */
  readonly maxHeldMessages: number;
  /** Bytes of them together. An eighth of them for one connection. */
  readonly maxHeldBytes: number;
  /** How long a handshake of ours may take, the dial included. */
  readonly dialTimeoutMs: number;
  /** How long a handshake of others may take. */
  readonly handshakeTimeoutMs: number;
  /**
   * Handshakes of others taken up each second; by default a fifth of a core: 500 with `nodeProvider`, 25 with
   * `nobleProvider`. Exempt addresses are not counted, here and below.
   */
  readonly handshakesPerSecond: number;
  /** Of one /24 or /48 each second, and four times as many at once. */
  readonly handshakesPerSecondAndPrefix: number;
}

/** Where nothing else is said: a provider and a network may have defaults of their own. */
export const streamLimitSpecs: Readonly<Record<keyof StreamLimits, LimitSpec>> = {
  maxConnections: { value: 1_024, unit: "", min: 1, max: 2 ** 20 },
  maxHandshakes: { value: 128, unit: "", min: 1, max: 65_536 },
  maxMessageBytes: { value: 2 ** 20, unit: "bytes", min: 1_200, max: 2 ** 24 },
  maxPartsBytes: { value: 2 ** 24, unit: "bytes", min: 1_200, max: 2 ** 32 },
  maxHeldMessages: { value: 4_096, unit: "", min: 1, max: 2 ** 20 },
  maxHeldBytes: { value: 2 ** 24, unit: "bytes", min: 1_200, max: 2 ** 32 },
  dialTimeoutMs: { value: 10_000, unit: "ms", min: 1_000, max: 60_000 },
  handshakeTimeoutMs: { value: 5_000, unit: "ms", min: 1_000, max: 60_000 },
  handshakesPerSecond: { value: 500, unit: "per second", min: 1, max: 100_000 },
  handshakesPerSecondAndPrefix: { value: 5, unit: "per second", min: 1, max: 100_000 },
};

/**
 * @param defaults what differs from the table above by provider
 * @throws UsageError `invalidOption` that names the limit, the value and what is allowed
 */
export function resolveStreamLimits(
  given: Partial<StreamLimits>,
  defaults: Partial<StreamLimits>,
): StreamLimits {
  return resolveSpecs(streamLimitSpecs, given, defaults);
}
