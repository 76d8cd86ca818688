/**
 * Bounds of the secure channel over streams (WIRE.md §4). Every number that a host may change stands here.
 */
import { resolveSpecs, type Spec } from "../limit-specs.ts";

export interface StreamLimits {
  /** Connections at once, 1 to 1,048,576; 1,024. */
  readonly maxConnections: number;
  /** Of them, those that others have begun and whose handshake is not over, 1 to 65,536; 128. */
  readonly maxHandshakes: number;
  /** Largest message, in bytes, 1,200 to 16 MiB; 1 MiB. */
  readonly maxMessageBytes: number;
  /** Parts of messages that have arrived in all connections, in bytes, 1,200 to 2^32; 16 MiB. */
  readonly maxPartsBytes: number;
  /** Messages that wait to be sent, 1 to 1,048,576; 4,096. An eighth of them for one connection. */
  readonly maxHeldMessages: number;
  /** Bytes of them together, 1,200 to 2^32; 16 MiB. An eighth of them for one connection. */
  readonly maxHeldBytes: number;
  /** How long a handshake of ours may take, the dial included, in ms, 1,000 to 60,000; 10,000. */
  readonly dialTimeoutMs: number;
  /** How long a handshake of others may take, in ms, 1,000 to 60,000; 5,000. */
  readonly handshakeTimeoutMs: number;
  /**
   * Handshakes of others taken up each second, 1 to 100,000; by default a fifth of a core: 500 with `nodeProvider`, 25
   * with `nobleProvider`. Exempt addresses are not counted, here and below.
   */
  readonly handshakesPerSecond: number;
  /** Of one /24 or /48 each second, 1 to 100,000; 5, and four times as many at once. */
  readonly handshakesPerSecondAndPrefix: number;
}

const specs: Readonly<Record<keyof StreamLimits, Spec>> = {
  maxConnections: { value: 1_024, min: 1, max: 2 ** 20 },
  maxHandshakes: { value: 128, min: 1, max: 65_536 },
  maxMessageBytes: { value: 2 ** 20, min: 1_200, max: 2 ** 24 },
  maxPartsBytes: { value: 2 ** 24, min: 1_200, max: 2 ** 32 },
  maxHeldMessages: { value: 4_096, min: 1, max: 2 ** 20 },
  maxHeldBytes: { value: 2 ** 24, min: 1_200, max: 2 ** 32 },
  dialTimeoutMs: { value: 10_000, min: 1_000, max: 60_000 },
  handshakeTimeoutMs: { value: 5_000, min: 1_000, max: 60_000 },
  handshakesPerSecond: { value: 500, min: 1, max: 100_000 },
  handshakesPerSecondAndPrefix: { value: 5, min: 1, max: 100_000 },
};

/**
 * @param defaults what differs from the constants above by provider
 * @throws UsageError `invalidOption` that names the limit, the value and what is allowed
 */
export function resolveStreamLimits(
  given: Partial<StreamLimits>,
  defaults: Partial<StreamLimits>,
): StreamLimits {
  return resolveSpecs(specs, given, defaults);
}
