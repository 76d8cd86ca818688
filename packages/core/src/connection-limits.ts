/**
 * The bounds of a transport that keeps connections: value, unit, range, and as a comment where each comes from.
 */
import { type LimitSpec, limitSpec, resolveSpecs } from "./limit-spec.ts";

/** The limits of {@link Connections}; each is an option of a transport of streams. */
export interface ConnectionLimits {
  /** Connections that others have opened. */
  readonly maxAccepted: number;
  /** The same from one host; loopback and exempt networks are not counted. */
  readonly maxAcceptedPerHost: number;
  /** Connections that we have opened, dials included; the one unused for longest makes room for another. */
  readonly maxDialled: number;
  /** Messages that wait for one connection; the high-water mark. One alone may be longer. */
  readonly maxQueuedBytes: number;
  /** Messages that wait for all connections together. */
  readonly maxQueuedBytesInAll: number;
  /** Memory for messages that have begun and are not whole. */
  readonly maxPartialBytes: number;
  /** A dial is given up. */
  readonly connectTimeoutMs: number;
  /** Pause after a dial that failed; doubled with each one that follows. */
  readonly backOffMinMs: number;
  /** Longest such pause. */
  readonly backOffMaxMs: number;
  /** Addresses whose failed dials are remembered. */
  readonly maxBackOffs: number;
  /** A connection that we have opened is closed without a message for so long; one of others after a fifth more. */
  readonly idleTimeoutMs: number;
  /** Nothing heard for so long: the other side is asked for a sign of life, where the transport has one. */
  readonly keepAliveMs: number;
  /** A connection that takes nothing of what waits for it for so long is closed. */
  readonly stallTimeoutMs: number;
  /** A message that has begun must be whole within this time. */
  readonly messageTimeoutMs: number;
  /** What waits may leave for so long when the transport, or one connection, is closed. */
  readonly closeTimeoutMs: number;
}

const minute = 60_000;
const longestMs = 24 * 60 * minute;

export const connectionLimitSpecs: Readonly<Record<keyof ConnectionLimits, LimitSpec>> = Object.freeze({
  maxAccepted: limitSpec(1_024, "", 0, 1_000_000), // (ours) within the open files that most systems allow
  maxAcceptedPerHost: limitSpec(64, "", 1, 1_000_000), // (ours) an office behind one address
  maxDialled: limitSpec(256, "", 1, 1_000_000), // (ours) maxInFlight and some that are kept
  maxQueuedBytes: limitSpec(2 ** 20, "bytes", 0, 2 ** 30), // (ours) the longest message
  maxQueuedBytesInAll: limitSpec(2 ** 26, "bytes", 0, 2 ** 40), // (ours) 64 that are full
  maxPartialBytes: limitSpec(2 ** 25, "bytes", 0, 2 ** 40), // (ours) 32 of the longest messages
  connectTimeoutMs: limitSpec(5_000, "ms", 1, longestMs), // RFC 6298: SYN at 0, 1 and 3 s
  backOffMinMs: limitSpec(1_000, "ms", 1, longestMs), // RFC 6298 §2.1: one timeout of TCP
  backOffMaxMs: limitSpec(minute, "ms", 1, longestMs), // (ours)
  maxBackOffs: limitSpec(1_024, "", 1, 1_000_000), // (ours)
  idleTimeoutMs: limitSpec(5 * minute, "ms", 1, longestMs), // (ours) the liveness interval of a node
  keepAliveMs: limitSpec(30_000, "ms", 1, longestMs), // (ours) half of what nginx grants a silent connection
  stallTimeoutMs: limitSpec(30_000, "ms", 1, longestMs), // (ours) three hard timeouts of a request
  messageTimeoutMs: limitSpec(30_000, "ms", 1, longestMs), // (ours) 1 MiB at 35 kB/s
  closeTimeoutMs: limitSpec(500, "ms", 0, longestMs), // (ours) within the second that stopping a process takes
});

/** Every limit at its default. */
export const defaultConnectionLimits: ConnectionLimits = resolveConnectionLimits({});

/**
 * The given limits over the defaults, checked and frozen. All are whole numbers.
 * @throws UsageError `invalidOption` that names the limit, the value and the range
 */
export function resolveConnectionLimits(given: Partial<ConnectionLimits>): ConnectionLimits {
  return resolveSpecs(connectionLimitSpecs, given);
}
