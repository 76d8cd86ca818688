/**
 * Bounds of the secure channel over datagrams (WIRE.md §3). Every number that a host may change stands here.
 */
import { resolveSpecs, type Spec } from "../limit-specs.ts";

export interface DatagramLimits {
  /** Sessions at once; about 1 kB each. 1 to 1,048,576; 2,048. */
  readonly maxSessions: number;
  /** Sessions that one /24 or /48 has begun with us. 1 to 1,048,576; 16. */
  readonly maxSessionsPerPrefix: number;
  /** Addresses with which handshakes of ours are under way. 1 to 65,536; 256. */
  readonly maxAttempts: number;
  /** Messages that wait for a handshake. 1 to 65,536; 512. */
  readonly maxHeldMessages: number;
  /** Bytes of them together. 1,200 to 2^30; 512 KiB. */
  readonly maxHeldBytes: number;
  /** How long a handshake of ours may take, in ms, 1,000 to 60,000; 10,000, as long as a request of core's at most. */
  readonly handshakeTimeoutMs: number;
  /** HELLOs answered each second, 1 to 1,000,000; 5,000. Exempt addresses are not counted, here and below. */
  readonly hellosPerSecond: number;
  /**
   * HANDSHAKEs taken up each second, 1 to 100,000; by default a fifth of a core: 500 with `nodeProvider`, 25 with
   * `nobleProvider`.
   */
  readonly handshakesPerSecond: number;
  /** Of one /24 or /48 each second, 1 to 100,000; 5, and four times as many at once. */
  readonly handshakesPerSecondAndPrefix: number;
  /**
   * Handshakes remembered so that none runs twice, 1 to 1,048,576; 8,192. When it is full, all cookies that are out are
   * voided, and it begins anew.
   */
  readonly maxSeenHandshakes: number;
  /** RESETs sent each second, 0 (never) to 1,000; 10, and 0 in a private network, where it would betray a listener. */
  readonly resetsPerSecond: number;
}

const specs: Readonly<Record<keyof DatagramLimits, Spec>> = {
  maxSessions: { value: 2_048, min: 1, max: 2 ** 20 },
  maxSessionsPerPrefix: { value: 16, min: 1, max: 2 ** 20 },
  maxAttempts: { value: 256, min: 1, max: 65_536 },
  maxHeldMessages: { value: 512, min: 1, max: 65_536 },
  maxHeldBytes: { value: 2 ** 19, min: 1_200, max: 2 ** 30 },
  handshakeTimeoutMs: { value: 10_000, min: 1_000, max: 60_000 },
  hellosPerSecond: { value: 5_000, min: 1, max: 1_000_000 },
  handshakesPerSecond: { value: 500, min: 1, max: 100_000 },
  handshakesPerSecondAndPrefix: { value: 5, min: 1, max: 100_000 },
  maxSeenHandshakes: { value: 8_192, min: 1, max: 2 ** 20 },
  resetsPerSecond: { value: 10, min: 0, max: 1_000 },
};

/**
 * @param defaults what differs from the constants above by provider and network
 * @throws UsageError `invalidOption` that names the limit, the value and what is allowed
 */
export function resolveDatagramLimits(
  given: Partial<DatagramLimits>,
  defaults: Partial<DatagramLimits>,
): DatagramLimits {
  return resolveSpecs(specs, given, defaults);
}
