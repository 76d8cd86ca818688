/**
 * The parts of a node, and how they refer to each other: each knows of the others only what it is handed here.
 */
import type { Address } from "./address.ts";
import { Announcer } from "./announcer.ts";
import { Counters } from "./counters.ts";
import type { KadError } from "./errors.ts";
import { EventQueue } from "./event-queue.ts";
import type { NodeEvent, RemoteErrorCode } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import { Maintenance } from "./maintenance.ts";
import { MessageBox } from "./message-box.ts";
import { MessageWriter } from "./message-writer.ts";
import { Neighbours } from "./neighbours.ts";
import { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import { type NodeOptions, resolveNodeOptions } from "./node-options.ts";
import type { NodeLimits } from "./options.ts";
import { OwnAddresses } from "./own-addresses.ts";
import { PeerHistory } from "./peer-history.ts";
import { PluginTimers } from "./plugin-timers.ts";
import { ProviderAnswers } from "./provider-answers.ts";
import { ProviderKeeper } from "./provider-keeper.ts";
import { Queries } from "./queries.ts";
import { RateLimiter, TokenBucket } from "./rate-limiter.ts";
import { Receiver } from "./receiver.ts";
import { RecordKeeper } from "./record-keeper.ts";
import { RecordTypes } from "./record-types.ts";
import { Responder } from "./responder.ts";
import { RoutingTable } from "./routing-table.ts";
import { Rpc } from "./rpc.ts";
import { TimerQueue } from "./timers.ts";
import { WriteTokens } from "./write-token.ts";

export interface NodeParts {
  readonly id: NodeId;
  readonly idBytes: number;
  readonly limits: NodeLimits;
  readonly own: OwnAddresses;
  readonly counters: Counters;
  readonly timers: TimerQueue;
  readonly table: RoutingTable;
  readonly keeper: RecordKeeper;
  readonly providers: ProviderKeeper;
  readonly announcer: Announcer;
  readonly health: NetworkHealth;
  readonly history: PeerHistory;
  readonly events: EventQueue;
  readonly writer: MessageWriter;
  readonly neighbours: Neighbours;
  readonly rpc: Rpc;
  readonly queries: Queries;
  readonly rates: RateLimiter;
  readonly box: MessageBox;
  readonly responder: Responder;
  readonly receiver: Receiver;
  readonly maintenance: Maintenance;
  readonly pluginTimers: PluginTimers;
}

/**
 * `unixMs`: wall-clock time, where the host tells it.
 * @throws UsageError `invalidOption` that names the option, the value and what is allowed
 */
export function nodeParts(given: NodeOptions, unixMs: () => number | undefined): NodeParts {
  const emit = (event: NodeEvent) => events.push(event);
  const report = (error: KadError) => emit({ type: "error", error });
  const options = resolveNodeOptions(given, report);
  const { limits, addresses, protocol, sha256, random, mode, id } = options;
  const isClient = mode === "client";
  const counters = new Counters();
  const timers = new TimerQueue();
  // First of all parts: the others report to it, some from their beginning.
  const events: EventQueue = new EventQueue(limits, (query) => queries.progress(query));
  const groupOf = (address: Address) => addresses.group(address);
  const dialable = () => addresses.dialable;
  const own = new OwnAddresses(id, isClient);
  const isOwn = (address: Address) => own.has(address);
  const onMisbehaved = (from: Path, code: RemoteErrorCode) => {
    counters.misbehaviour.add(code);
    emit({ type: "peerMisbehaved", from, code });
  };
  const hostOf = (path: Path) => path.peer?.key ?? addresses.source(path.remote);
  const onJoined = (nowMs: InstantMs) => {
    maintenance.onJoined(nowMs);
    announcer.onJoined(nowMs);
  };
  const types = new RecordTypes({ validators: options.validators, sha256, limits, report });
  const table = new RoutingTable({ self: id, limits, groupOf });
  const keeper = new RecordKeeper({ id, store: options.store, types, limits, report });
  const providers = new ProviderKeeper({
    store: options.store,
    addresses,
    limits,
    random,
    timers,
    report,
  });
  const health = new NetworkHealth(limits.sleepGapMs);
  const history = new PeerHistory(limits);
  const writer = new MessageWriter({
    protocol,
    id,
    client: isClient,
    padded: options.padRequests,
    dialable,
  });
  const neighbours = new Neighbours({
    table,
    history,
    health,
    addresses,
    counters,
    verifyPings: new TokenBucket(limits.verifyPingsPerSecond, limits.verifyPingBurst),
    emit,
    onFirstContact: onJoined,
    maxPings: limits.maxPendingRequests,
    // The other half of the room is for what callers want.
    maxPingsInFlight: Math.ceil(limits.maxInFlight / 2),
  });
  const rpc = new Rpc({
    limits,
    timers,
    history,
    writer,
    random,
    observer: neighbours,
    dialable,
    isOwn,
  });
  neighbours.attach(rpc);
  const queries: Queries = new Queries({
    self: id,
    limits,
    timers,
    rpc,
    table,
    keeper,
    providers,
    history,
    requests: protocol.requests,
    events,
    groupOf,
    unixMs,
    onMisbehaved,
    onJoined,
    onRecordsChanged: (nowMs) => maintenance.onRecordsChanged(nowMs),
  });
  const announcer = new Announcer({
    limits,
    timers,
    random,
    queries,
    canProvide: () => !isClient || own.provided.length > 0,
    self: () => own.contact,
  });
  const rates = new RateLimiter(limits);
  const box: MessageBox = new MessageBox(limits, timers, (to, answer) => responder.answer(to, answer));
  const responder: Responder = new Responder({
    limits,
    counters,
    table,
    keeper,
    providers: new ProviderAnswers({
      keeper: providers,
      hostOf,
      groupOf,
      own: (key) => announcer.provider(key),
    }),
    tokens: new WriteTokens(sha256, options.secrets, limits.tokenRotationMs),
    report,
    rates,
    writer,
    events,
    box,
    isClient,
    groupOf,
    sourceOf: hostOf,
    onMisbehaved,
    onStored: (nowMs) => maintenance.onRecordsChanged(nowMs),
  });
  const maintenance = new Maintenance({
    limits,
    timers,
    table,
    keeper,
    random,
    self: id,
    ping: (contacts) => neighbours.pingAll(contacts),
    hasRoom: () => !queries.full,
    findNode: (nowMs, target, onEnd) => queries.refresh(nowMs, target, onEnd),
    republish: (nowMs, record, onEnd) => queries.republish(nowMs, record, onEnd),
  });
  const pluginTimers = new PluginTimers(limits, timers, emit);
  const receiver = new Receiver({
    id,
    protocol,
    counters,
    health,
    rpc,
    responder,
    neighbours,
    unixMs,
    onMisbehaved,
  });
  return {
    id,
    idBytes: protocol.idBytes,
    limits,
    own,
    counters,
    timers,
    table,
    keeper,
    providers,
    announcer,
    health,
    history,
    events,
    writer,
    neighbours,
    rpc,
    queries,
    rates,
    box,
    responder,
    receiver,
    maintenance,
    pluginTimers,
  };
}
