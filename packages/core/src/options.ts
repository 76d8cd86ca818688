/**
 * Every number that a node works by: value, unit, range, and where it comes from.
 *
 * `limitSpecs` is the single source: the defaults, the checks and the reference page are made from it, so they cannot
 * drift. "(ours)" marks numbers that no paper or peer gives; what stands behind a number as a comment goes to that page too.
 */
import { type LimitSpec, resolveSpecs, limitSpec as spec } from "./limit-spec.ts";

/** The limits of a node; each is an option, each default is in {@link limitSpecs}. */
export interface NodeLimits {
  /** Contacts in a bucket, and holders of a record (k). */
  readonly bucketSize: number;
  /** Contacts that wait for a place in each full bucket. */
  readonly replacementCacheSize: number;
  /** Contacts in a bucket that asked us first and that no walk of ours has reached; any number in our own neighbourhood. */
  readonly maxIncomingPerBucket: number;
  /** Contacts of one subnet (/24, /64, domain) in a bucket. */
  readonly maxPerSubnetInBucket: number;
  /** Contacts of one subnet in the table. */
  readonly maxPerSubnetInTable: number;
  /** Contacts of one subnet that one walk asks. */
  readonly maxPerSubnetInLookup: number;
  /** Unanswered requests in a row before a contact is removed. */
  readonly maxFailures: number;
  /** A contact heard within this time is not probed when its bucket is full. */
  readonly contactFreshMs: number;
  /** A contact not heard for this time is pinged before others are told of it first. */
  readonly contactStaleMs: number;
  /** How often the stalest contacts are pinged. */
  readonly livenessIntervalMs: number;
  /** Pings each time. */
  readonly livenessPingsPerInterval: number;
  /** A contact that has not answered is pinged again after this, until it answers or leaves. */
  readonly contactRetryMs: number;
  /** Contacts that have left for their silence, and are asked now and then whether they are back. */
  readonly maxLostContacts: number;
  /** A bucket that no walk has touched for this time is refreshed. */
  readonly refreshIntervalMs: number;
  /** Lookup of our own id while the table is small. */
  readonly selfLookupIntervalMs: number;
  /** A table below this size is small. */
  readonly smallTableSize: number;
  /** Requests that a walk keeps outstanding (α). */
  readonly parallelism: number;
  /** The same after α answers without progress. */
  readonly stalledParallelism: number;
  /** How many of the closest must have answered before a find ends. */
  readonly findResults: number;
  /** Holders that a read asks where the key does not prove the value. */
  readonly valueQuorum: number;
  /** Candidates that a walk remembers, the closest kept. */
  readonly maxCandidates: number;
  /** Shortest time after which a walk starts another branch. */
  readonly softTimeoutMinMs: number;
  /** Longest such time. */
  readonly softTimeoutMaxMs: number;
  /** Such time for a peer never measured, before the node has measured any. */
  readonly softTimeoutFirstMs: number;
  /** Random part, so that losses do not retry in step. */
  readonly softTimeoutJitterMs: number;
  /** A request is given up and its late answer no longer known. */
  readonly hardTimeoutMs: number;
  /** Times a request is sent again after its soft timeout. */
  readonly retries: number;
  /** Wait before a contact's next address is tried beside the first. */
  readonly nextAddressDelayMs: number;
  /** A query's deadline; it ends with what it has. */
  readonly queryTimeoutMs: number;
  /** Round-trip times and failures of peers that are remembered, by address. */
  readonly maxPeerHistories: number;
  /** Failures in a row after which a peer is suspect: it is asked, but nobody waits for it. */
  readonly suspectAfterFailures: number;
  /** How long it stays suspect. */
  readonly suspectMs: number;
  /** Steps kept of a query that is to be explained; those after are counted. */
  readonly maxExplainedSteps: number;
  /** Requests unanswered at once, those overdue not counted. */
  readonly maxInFlight: number;
  /** Unanswered requests among those sent in the last window. */
  readonly maxInFlightPerWindow: number;
  /** That window. */
  readonly inFlightWindowMs: number;
  /** Requests remembered for a late answer, those of ended queries included. */
  readonly maxPendingRequests: number;
  /** Queries at once. */
  readonly maxQueries: number;
  /** Replies that wait to be sent; beyond it new requests are dropped. */
  readonly maxQueuedReplies: number;
  /** Events that wait to be polled, ends of queries and timers not counted. */
  readonly maxQueuedEvents: number;
  /** Application messages that wait to be polled; beyond it the sender hears busy. */
  readonly maxQueuedMessages: number;
  /** Application messages that may still be answered. */
  readonly maxReplyTokens: number;
  /** How long one may be answered: within the asker's hard timeout. */
  readonly replyTokenLifetimeMs: number;
  /** Bodies of application messages queued in all. */
  readonly maxSendBytes: number;
  /** Bodies of application messages queued for one peer. */
  readonly maxSendBytesPerPeer: number;
  /** Timers that one plugin has set. */
  readonly maxTimersPerPlugin: number;
  /** Records held for others. */
  readonly maxRecords: number;
  /** Bytes of records held for others. */
  readonly maxRecordBytes: number;
  /** Records held that one subnet stored; loopback is exempt. */
  readonly maxRecordsPerSource: number;
  /** Longest and default life of a value. */
  readonly valueLifetimeMs: number;
  /** A holder passes a value on that nobody has stored for this time. */
  readonly republishIntervalMs: number;
  /** Values that maintenance passes on at the same time. */
  readonly maxRepublishAtOnce: number;
  /** Longest and default life of an announcement. */
  readonly providerLifetimeMs: number;
  /** Providers held for others. */
  readonly maxProviders: number;
  /** Bytes of their addresses and metadata. */
  readonly maxProviderBytes: number;
  /** Keys that have providers here. */
  readonly maxProviderKeys: number;
  /** Providers held under one key. */
  readonly maxProvidersPerKey: number;
  /** Providers held that one host announced; loopback is exempt. */
  readonly maxProvidersPerSource: number;
  /** The same under one key. */
  readonly maxProvidersPerSourceAndKey: number;
  /** Keys that we announce and renew ourselves. */
  readonly maxOwnProviders: number;
  /** Providers after which a search for them ends. */
  readonly providerResults: number;
  /** Age at which the secret of write tokens is replaced; the previous one is still accepted. */
  readonly tokenRotationMs: number;
  /** Requests answered per source; loopback is exempt. */
  readonly requestsPerSecond: number;
  /** Requests that a source may make at once. */
  readonly requestBurst: number;
  /** How long a source that goes on past its limit is ignored. */
  readonly banMs: number;
  /** Sources whose rate is tracked. */
  readonly maxSources: number;
  /** Pings to unknown servers that asked us something. */
  readonly verifyPingsPerSecond: number;
  /** Such pings at once. */
  readonly verifyPingBurst: number;
  /** A gain of the wall clock over the monotonic one that means the host slept. */
  readonly sleepGapMs: number;
}

const minute = 60_000;
const hour = 60 * minute;
const longestMs = 30 * 24 * hour;

export const limitSpecs: Readonly<Record<keyof NodeLimits, LimitSpec>> = Object.freeze({
  bucketSize: spec(20, "", 1, 255), // paper §2.2
  replacementCacheSize: spec(20, "", 0, 255), // libtorrent: k
  maxIncomingPerBucket: spec(10, "", 0, 255), // (ours) k/2; sigp-discv5 limits them to k
  maxPerSubnetInBucket: spec(2, "", 1, 255), // sigp-discv5 filter
  maxPerSubnetInTable: spec(10, "", 1, 65_535), // sigp-discv5 filter
  maxPerSubnetInLookup: spec(1, "", 1, 255), // libtorrent traversal
  maxFailures: spec(3, "", 1, 255), // jech/dht
  contactFreshMs: spec(10 * minute, "ms", 0, longestMs), // js-libp2p LAST_PING_THRESHOLD
  contactStaleMs: spec(15 * minute, "ms", 1_000, longestMs), // pubky/mainline STALE_TIME
  livenessIntervalMs: spec(5 * minute, "ms", 1_000, longestMs), // discv5 ping interval
  livenessPingsPerInterval: spec(4, "", 1, 255), // (ours); discv5 pings one, pubky/mainline all stale
  contactRetryMs: spec(15_000, "ms", 1_000, longestMs), // (ours) hardTimeoutMs and a half
  maxLostContacts: spec(32, "", 0, 65_535), // (ours)
  refreshIntervalMs: spec(hour, "ms", 1_000, longestMs), // paper §2.3
  selfLookupIntervalMs: spec(10 * minute, "ms", 1_000, longestMs), // paper §2.3; pubky/mainline 15 min
  smallTableSize: spec(20, "", 0, 65_535), // (ours) k
  parallelism: spec(3, "", 1, 64), // paper §2.3
  stalledParallelism: spec(6, "", 1, 64), // rust-libp2p widens to k; (ours) 2α
  findResults: spec(8, "", 1, 255), // go-libp2p beta 3; (ours) half the requests of 20
  valueQuorum: spec(8, "", 1, 255), // (ours) as findResults
  maxCandidates: spec(200, "", 20, 10_000), // (ours) 10 k
  softTimeoutMinMs: spec(300, "ms", 1, longestMs), // adaptive-timeout
  softTimeoutMaxMs: spec(4_000, "ms", 1, longestMs), // adaptive-timeout
  softTimeoutFirstMs: spec(1_000, "ms", 1, longestMs), // libtorrent short timeout
  softTimeoutJitterMs: spec(256, "ms", 0, longestMs), // adaptive-timeout
  hardTimeoutMs: spec(10_000, "ms", 1, longestMs), // rust-libp2p, discv5
  retries: spec(2, "", 0, 8), // (ours; discv5 1)
  nextAddressDelayMs: spec(250, "ms", 1, longestMs), // RFC 8305 §5
  queryTimeoutMs: spec(60_000, "ms", 1, longestMs), // rust-libp2p, sigp-discv5
  maxPeerHistories: spec(4_096, "", 16, 1_000_000), // (ours)
  suspectAfterFailures: spec(2, "", 1, 255), // (ours) one loss is ordinary, two in a row are a sign
  suspectMs: spec(5 * minute, "ms", 0, longestMs), // (ours) the liveness interval
  maxExplainedSteps: spec(512, "", 1, 65_535), // (ours) some 100 peers with five steps each
  maxInFlight: spec(160, "", 1, 65_535), // dht-rpc: 2 × 80
  maxInFlightPerWindow: spec(80, "", 1, 65_535), // dht-rpc
  inFlightWindowMs: spec(750, "ms", 1, longestMs), // dht-rpc
  maxPendingRequests: spec(4_096, "", 16, 1_000_000), // (ours)
  maxQueries: spec(1_024, "", 1, 65_535), // jech/dht DHT_MAX_SEARCHES
  maxQueuedReplies: spec(256, "", 1, 65_535), // (ours)
  maxQueuedEvents: spec(1_024, "", 16, 65_535), // (ours)
  maxQueuedMessages: spec(256, "", 1, 65_535), // (ours)
  maxReplyTokens: spec(1_024, "", 1, 65_535), // (ours)
  replyTokenLifetimeMs: spec(8_000, "ms", 1, longestMs), // (ours)
  maxSendBytes: spec(1_048_576, "bytes", 0, 2 ** 30), // (ours)
  maxSendBytesPerPeer: spec(131_072, "bytes", 0, 2 ** 30), // (ours)
  maxTimersPerPlugin: spec(1_024, "", 1, 65_535), // (ours)
  maxRecords: spec(1_024, "", 0, 10_000_000), // rust-libp2p memory store
  maxRecordBytes: spec(2 ** 20, "bytes", 0, 2 ** 40), // (ours) 1,024 × 1,000 and some
  maxRecordsPerSource: spec(256, "", 1, 10_000_000), // (ours) a quarter of maxRecords
  valueLifetimeMs: spec(24 * hour, "ms", 1_000, longestMs), // paper §2.5
  republishIntervalMs: spec(hour, "ms", 1_000, longestMs), // paper §2.5
  maxRepublishAtOnce: spec(4, "", 1, 1_024), // (ours)
  providerLifetimeMs: spec(hour, "ms", 1_000, longestMs), // (ours) libtorrent forgets after 45 min, go-libp2p after 48 h
  maxProviders: spec(16_384, "", 0, 10_000_000), // (ours)
  maxProviderBytes: spec(8 * 2 ** 20, "bytes", 0, 2 ** 40), // (ours) 16,384 × 512
  maxProviderKeys: spec(2_000, "", 0, 10_000_000), // libtorrent, pubky/mainline MAX_INFO_HASHES
  maxProvidersPerKey: spec(500, "", 1, 65_535), // libtorrent, pubky/mainline MAX_PEERS
  maxProvidersPerSource: spec(1_024, "", 1, 10_000_000), // (ours) a sixteenth of maxProviders
  maxProvidersPerSourceAndKey: spec(16, "", 1, 65_535), // (ours) a household or an office behind one address
  maxOwnProviders: spec(1_024, "", 0, 1_000_000), // (ours)
  providerResults: spec(100, "", 1, 1_000), // (ours)
  tokenRotationMs: spec(5 * minute, "ms", 1_000, longestMs), // BEP 5
  requestsPerSecond: spec(50, "per second", 1, 1_000_000), // (ours)
  requestBurst: spec(200, "", 1, 1_000_000), // (ours)
  banMs: spec(5 * minute, "ms", 1, longestMs), // sigp-discv5, but ending
  maxSources: spec(1_024, "", 16, 1_000_000), // jech/dht
  verifyPingsPerSecond: spec(50, "per second", 1, 1_000_000), // (ours) as requestsPerSecond
  verifyPingBurst: spec(200, "", 1, 1_000_000), // (ours) as requestBurst
  sleepGapMs: spec(15_000, "ms", 1_000, longestMs), // dht-rpc SLEEPING_INTERVAL
});

/** What {@link resolveLimits} has made, and nobody can have changed since. */
const complete = new WeakSet<object>();

/** Every limit at its default. */
export const defaultLimits: NodeLimits = completed({});

/**
 * The given limits over the defaults, checked and frozen. All are whole numbers. What this has returned before comes back
 * as it is, and no limits at all are {@link defaultLimits}: so nodes with the same limits share one object.
 * @throws UsageError `invalidOption` that names the limit, the value and the range
 */
export function resolveLimits(given: Partial<NodeLimits>): NodeLimits {
  if (complete.has(given)) return given as NodeLimits;
  return Object.keys(given).length === 0 ? defaultLimits : completed(given);
}

function completed(given: Partial<NodeLimits>): NodeLimits {
  const limits = resolveSpecs(limitSpecs, given);
  complete.add(limits);
  return limits;
}
