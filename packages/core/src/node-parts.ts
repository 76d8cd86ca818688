/**
 * The parts of a node, and how they refer to each other.
 *
 * Every part is handed this one object, and sees of it what its own options name: the parts that it needs, and what it may
 * ask of the node as a whole. An object of options and a few functions for each part would take as much room as the parts.
 */
import type { Address, AddressCodec } from "./address.ts";
import { Announcer } from "./announcer.ts";
import { Counters } from "./counters.ts";
import type { KadError } from "./errors.ts";
import { EventQueue } from "./event-queue.ts";
import type { RemoteErrorCode } from "./events.ts";
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
import type { Protocol } from "./protocol.ts";
import { ProviderAnswers } from "./provider-answers.ts";
import { ProviderKeeper } from "./provider-keeper.ts";
import { ProviderRules } from "./provider-rules.ts";
import { Queries } from "./queries.ts";
import type { RandomSource } from "./random-source.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { Receiver } from "./receiver.ts";
import type { RecordStore, Sha256 } from "./record.ts";
import { RecordKeeper } from "./record-keeper.ts";
import { RecordTypes } from "./record-types.ts";
import { Responder } from "./responder.ts";
import { RoutingTable } from "./routing-table.ts";
import { Rpc } from "./rpc.ts";
import { TimerQueue } from "./timers.ts";
import { WriteTokens } from "./write-token.ts";

export class NodeParts {
  readonly id: NodeId;
  readonly limits: NodeLimits;
  readonly isClient: boolean;
  readonly padRequests: boolean;
  readonly addresses: AddressCodec;
  readonly protocol: Protocol;
  readonly random: RandomSource;
  readonly sha256: Sha256;
  readonly store: RecordStore;
  readonly counters: Counters = new Counters();
  readonly timers: TimerQueue = new TimerQueue();
  /** First of all parts: the others report to it, some from their beginning. */
  readonly events: EventQueue;
  readonly own: OwnAddresses;
  readonly types: RecordTypes;
  readonly table: RoutingTable;
  readonly keeper: RecordKeeper;
  readonly providerRules: ProviderRules;
  readonly providers: ProviderKeeper;
  readonly health: NetworkHealth;
  readonly history: PeerHistory;
  readonly writer: MessageWriter;
  readonly neighbours: Neighbours;
  readonly rpc: Rpc;
  readonly queries: Queries;
  readonly announcer: Announcer;
  readonly rates: RateLimiter;
  readonly box: MessageBox;
  readonly tokens: WriteTokens;
  readonly providerAnswers: ProviderAnswers;
  readonly responder: Responder;
  readonly maintenance: Maintenance;
  readonly pluginTimers: PluginTimers;
  readonly receiver: Receiver;
  /** Of the last input; `undefined` before the first. */
  nowMs: InstantMs | undefined = undefined;
  /** Wall-clock time less monotonic time, where the host tells. */
  unixOffsetMs: number | undefined = undefined;

  /** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
  constructor(given: NodeOptions) {
    const { validators, providerValidator, secrets, ...options } = resolveNodeOptions(given, this);
    const { id, limits, sha256, mode } = options;
    this.id = id;
    this.limits = limits;
    this.isClient = mode === "client";
    this.padRequests = options.padRequests;
    this.addresses = options.addresses;
    this.protocol = options.protocol;
    this.random = options.random;
    this.sha256 = sha256;
    this.store = options.store;
    this.events = new EventQueue(this);
    this.own = new OwnAddresses(id, this.isClient);
    this.types = new RecordTypes(this, validators);
    this.providerRules = new ProviderRules(this, providerValidator);
    this.table = new RoutingTable(this);
    this.keeper = new RecordKeeper(this);
    this.providers = new ProviderKeeper(this);
    this.health = new NetworkHealth(limits.sleepGapMs);
    this.history = new PeerHistory(limits);
    this.writer = new MessageWriter(this);
    this.neighbours = new Neighbours(this);
    this.rpc = new Rpc(this);
    this.queries = new Queries(this);
    this.announcer = new Announcer(this);
    this.rates = new RateLimiter(limits);
    this.box = new MessageBox(this);
    this.tokens = new WriteTokens(sha256, secrets, limits.tokenRotationMs);
    this.providerAnswers = new ProviderAnswers(this);
    this.responder = new Responder(this);
    this.maintenance = new Maintenance(this);
    this.pluginTimers = new PluginTimers(this);
    this.receiver = new Receiver(this);
  }

  /** {@link id}, as those call it who have other ids about them. */
  get self(): NodeId {
    return this.id;
  }

  get idBytes(): number {
    return this.protocol.idBytes;
  }

  unixMs(): number | undefined {
    return this.unixOffsetMs === undefined ? undefined : this.unixOffsetMs + (this.nowMs ?? 0);
  }

  groupOf(address: Address): string | undefined {
    return this.addresses.group(address);
  }

  sourceOf(path: Path): string | undefined {
    return path.peer?.key ?? this.addresses.source(path.remote);
  }

  /** A place that is exempt remains so when the peer there has proven who it is. */
  countedAs(path: Path): string | undefined {
    const host = this.addresses.source(path.remote);
    return host === undefined ? undefined : (path.peer?.key ?? host);
  }

  report(error: KadError): void {
    this.events.push({ type: "error", error });
  }

  onMisbehaved(from: Path, code: RemoteErrorCode): void {
    this.counters.misbehaviour.add(code);
    this.events.push({ type: "peerMisbehaved", from, code });
  }

  onJoined(nowMs: InstantMs): void {
    this.maintenance.onJoined(nowMs);
    this.announcer.onJoined(nowMs);
  }
}
