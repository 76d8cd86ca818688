/**
 * The snapshot of a node's figures: counters, and a gauge beside every bound, gathered from the parts that keep them.
 */
import type { InstantMs } from "./machine.ts";
import type { NodeParts } from "./node-parts.ts";
import type { NodeStats } from "./stats.ts";

/** Plain data that the caller owns. */
export function nodeStats(nowMs: InstantMs, parts: NodeParts): NodeStats {
  const { counters, rpc, queries, events, health } = parts;
  const { dropped, refused, contactsRefused, misbehaviour, ...counts } = counters;
  return {
    ...counts,
    requestsSent: rpc.requestsSent,
    retransmissions: rpc.retransmissions,
    dropped: dropped.counts(),
    refused: refused.counts(),
    contactsRefused: contactsRefused.counts(),
    misbehaviour: misbehaviour.counts(),
    eventsDropped: { ...events.dropped },
    networkSize: queries.networkSize(nowMs),
    health: health.state,
    gauges: gauges(parts),
  };
}

function gauges(parts: NodeParts): NodeStats["gauges"] {
  const { limits, rpc, queries, events, responder, keeper, providers } = parts;
  return {
    contacts: { used: parts.table.size, limit: 8 * parts.idBytes * limits.bucketSize },
    queries: { used: queries.size, limit: limits.maxQueries },
    requestsInFlight: { used: rpc.inFlight, limit: limits.maxInFlight },
    pendingRequests: { used: rpc.pending, limit: limits.maxPendingRequests },
    peerHistories: { used: parts.history.size, limit: limits.maxPeerHistories },
    pings: { used: parts.neighbours.pings, limit: limits.maxPendingRequests },
    lostContacts: parts.neighbours.lost,
    queuedReplies: {
      used: responder.queued - responder.queuedAnswers,
      limit: limits.maxQueuedReplies,
    },
    queuedAnswers: { used: responder.queuedAnswers, limit: limits.maxReplyTokens },
    queuedEvents: { used: events.others, limit: limits.maxQueuedEvents },
    queuedMessages: { used: events.messages, limit: limits.maxQueuedMessages },
    replyTokens: { used: parts.box.size, limit: limits.maxReplyTokens },
    sendBytes: { used: queries.sendBytes, limit: limits.maxSendBytes },
    records: keeper.records,
    recordBytes: keeper.recordBytes,
    providers: providers.providers,
    providerBytes: providers.providerBytes,
    providerKeys: providers.providerKeys,
    ownProviders: parts.announcer.ownProviders,
    republishing: { used: parts.maintenance.republishing, limit: limits.maxRepublishAtOnce },
    sources: { used: parts.rates.size, limit: limits.maxSources },
    pluginTimers: { used: parts.pluginTimers.most, limit: limits.maxTimersPerPlugin },
  };
}
