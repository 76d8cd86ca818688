/**
 * A Kademlia node without I/O: it wires its parts together, takes inputs and commands, and hands out what they produce.
 *
 * Kademlia (Maymounkov & Mazières 2002). Every public call is one transition: it reads nothing but its arguments and
 * leaves a state from which the next call may follow. What is said to whom is decided in the parts: {@link QueryPool}
 * (whose turn it is), {@link Rpc} (requests), {@link Responder} (answers), {@link Neighbours} (the table),
 * {@link Maintenance} (time).
 */
import { type Address, datagramKinds } from "./address.ts";
import { Announcer } from "./announcer.ts";
import { copyBytes } from "./bytes.ts";
import { checkedBytes, checkedContact, checkedId, checkedProtocol, checkedSeed } from "./command-checks.ts";
import type { Commands, FindProvidersOptions, QueryOptions } from "./commands.ts";
import { boundAddresses, type Contact, type Seed } from "./contact.ts";
import { Counters } from "./counters.ts";
import { type KadError, UsageError } from "./errors.ts";
import { EventQueue } from "./event-queue.ts";
import type { NodeEvent, PluginId, QueryId, RemoteErrorCode, ReplyToken, TimerId } from "./events.ts";
import type { Deadline, InstantMs, Machine, NetworkEvent, Path, Transmit } from "./machine.ts";
import { Maintenance } from "./maintenance.ts";
import { MessageBox } from "./message-box.ts";
import { MessageWriter } from "./message-writer.ts";
import { Neighbours } from "./neighbours.ts";
import { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import { type NodeOptions, type ResolvedNodeOptions, resolveNodeOptions } from "./node-options.ts";
import { PeerHistory } from "./peer-history.ts";
import { PluginTimers } from "./plugin-timers.ts";
import type { MalformedReason, RequestMessage, ResponseMessage } from "./protocol.ts";
import type { Announcement } from "./provider.ts";
import { ProviderAnswers } from "./provider-answers.ts";
import { ProviderKeeper } from "./provider-keeper.ts";
import { Queries } from "./queries.ts";
import { RateLimiter, TokenBucket } from "./rate-limiter.ts";
import type { DhtRecord, RecordKey } from "./record.ts";
import { RecordKeeper } from "./record-keeper.ts";
import { RecordTypes } from "./record-types.ts";
import { Responder } from "./responder.ts";
import { type InsertOutcome, type ReadonlyRoutingTable, RoutingTable } from "./routing-table.ts";
import { Rpc } from "./rpc.ts";
import type { NodeStats } from "./stats.ts";
import { TimerQueue } from "./timers.ts";
import { WriteTokens } from "./write-token.ts";

export class KadNode implements Machine<NodeEvent>, Commands {
  readonly id: NodeId;
  readonly #options: ResolvedNodeOptions;
  readonly #counters = new Counters();
  readonly #timers = new TimerQueue();
  readonly #table: RoutingTable;
  readonly #keeper: RecordKeeper;
  readonly #providers: ProviderKeeper;
  readonly #announcer: Announcer;
  readonly #health: NetworkHealth;
  readonly #history: PeerHistory;
  readonly #events: EventQueue;
  readonly #writer: MessageWriter;
  readonly #neighbours: Neighbours;
  readonly #rpc: Rpc;
  readonly #queries: Queries;
  readonly #rates: RateLimiter;
  readonly #box: MessageBox;
  readonly #responder: Responder;
  readonly #maintenance: Maintenance;
  readonly #pluginTimers: PluginTimers;
  readonly #own = new Set<string>();
  /** Ourselves as others reach us, once we are told where; never for a client. */
  #self: Contact | undefined = undefined;
  /** Monotonic over all calls. */
  #nowMs: InstantMs | undefined = undefined;
  #unixOffsetMs: number | undefined = undefined;
  #isBusy = false;
  #isClosed = false;
  #repliesFirst = true;

  /** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
  constructor(given: NodeOptions) {
    const report = (error: KadError) => this.#events.push({ type: "error", error });
    const options = resolveNodeOptions(given, report);
    const { limits, addresses, protocol, sha256, random, mode, id } = options;
    this.#options = options;
    this.id = id;
    // First of all parts: the others report to it, some from their beginning.
    this.#events = new EventQueue(limits, (query) => this.#queries.progress(query));
    const groupOf = (address: Address) => addresses.group(address);
    const emit = (event: NodeEvent) => this.#events.push(event);
    const dialable = () => addresses.dialable;
    const isOwn = (address: Address) => this.#own.has(address.key);
    const hostOf = (path: Path) => path.peer?.key ?? addresses.source(path.remote);
    const onJoined = (nowMs: InstantMs) => {
      this.#maintenance.onJoined(nowMs);
      this.#announcer.onJoined(nowMs);
    };
    const types = new RecordTypes({ validators: options.validators, sha256, limits, report });
    this.#table = new RoutingTable({ self: id, limits, groupOf });
    this.#keeper = new RecordKeeper({ id, store: options.store, types, limits, report });
    this.#providers = new ProviderKeeper({
      store: options.store,
      addresses,
      limits,
      random,
      timers: this.#timers,
      report,
    });
    this.#health = new NetworkHealth(limits.sleepGapMs);
    this.#history = new PeerHistory(limits);
    this.#writer = new MessageWriter({
      protocol,
      id,
      client: mode === "client",
      padded: options.padRequests,
      dialable,
    });
    this.#neighbours = new Neighbours({
      table: this.#table,
      history: this.#history,
      health: this.#health,
      addresses,
      counters: this.#counters,
      verifyPings: new TokenBucket(limits.verifyPingsPerSecond, limits.verifyPingBurst),
      emit,
      onFirstContact: onJoined,
      maxPings: limits.maxPendingRequests,
      // The other half of the room is for what callers want.
      maxPingsInFlight: Math.ceil(limits.maxInFlight / 2),
    });
    this.#rpc = new Rpc({
      limits,
      timers: this.#timers,
      history: this.#history,
      writer: this.#writer,
      random,
      observer: this.#neighbours,
      dialable,
      isOwn,
    });
    this.#neighbours.attach(this.#rpc);
    this.#queries = new Queries({
      self: id,
      limits,
      timers: this.#timers,
      rpc: this.#rpc,
      table: this.#table,
      keeper: this.#keeper,
      providers: this.#providers,
      history: this.#history,
      requests: protocol.requests,
      events: this.#events,
      groupOf,
      unixMs: () => this.#unixMs(),
      onMisbehaved: (from, code) => this.#misbehaved(from, code),
      onJoined,
      onRecordsChanged: (nowMs) => this.#maintenance.onRecordsChanged(nowMs),
    });
    this.#announcer = new Announcer({
      limits,
      timers: this.#timers,
      random,
      queries: this.#queries,
      canProvide: () => mode === "server" || this.#writer.provided.length > 0,
      self: () => this.#self,
    });
    this.#rates = new RateLimiter(limits);
    this.#box = new MessageBox(limits, this.#timers, (to, body) => this.#responder.answer(to, body));
    this.#responder = new Responder({
      limits,
      counters: this.#counters,
      table: this.#table,
      keeper: this.#keeper,
      providers: new ProviderAnswers({
        keeper: this.#providers,
        hostOf,
        groupOf,
        own: (key) => this.#announcer.provider(key),
      }),
      tokens: new WriteTokens(sha256, options.secrets, limits.tokenRotationMs),
      report,
      rates: this.#rates,
      writer: this.#writer,
      events: this.#events,
      box: this.#box,
      isClient: mode === "client",
      groupOf,
      sourceOf: hostOf,
      onMisbehaved: (from, code) => this.#misbehaved(from, code),
      onStored: (nowMs) => this.#maintenance.onRecordsChanged(nowMs),
    });
    this.#maintenance = new Maintenance({
      limits,
      timers: this.#timers,
      table: this.#table,
      keeper: this.#keeper,
      random,
      self: id,
      ping: (contacts) => this.#neighbours.pingAll(contacts),
      hasRoom: () => !this.#queries.full,
      findNode: (nowMs, target, onEnd) => this.#queries.refresh(nowMs, target, onEnd),
      republish: (nowMs, record, onEnd) => this.#queries.republish(nowMs, record, onEnd),
    });
    this.#pluginTimers = new PluginTimers(limits, this.#timers, emit);
  }

  get table(): ReadonlyRoutingTable {
    return this.#table;
  }

  get drained(): boolean {
    return this.#isClosed && this.#responder.queued === 0 && this.#events.length === 0;
  }

  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    const now = this.#enter(nowMs);
    try {
      if (event.type === "message") this.#onMessage(now, event.from, event.bytes);
      else if (!this.#isClosed) this.#onNetwork(now, event);
    } finally {
      this.#isBusy = false;
    }
  }

  handleTimeout(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    try {
      this.#timers.run(now);
    } finally {
      this.#isBusy = false;
    }
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const now = this.#enter(nowMs);
    try {
      const transmit = this.#nextTransmit(now, into);
      if (transmit !== undefined) {
        this.#counters.messagesSent++;
        this.#counters.bytesSent += transmit.length;
      }
      return transmit;
    } finally {
      this.#isBusy = false;
    }
  }

  pollEvent(): NodeEvent | undefined {
    this.#refuseHooks();
    return this.#events.poll();
  }

  nextDeadline(): Deadline | undefined {
    const timer = this.#timers.earliest;
    return timer === undefined ? undefined : { atMs: timer.atMs, reason: timer.reason };
  }

  close(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    try {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#queries.closeAll(now);
      this.#rpc.close();
      this.#neighbours.close();
      this.#responder.close();
      this.#box.clear();
      this.#pluginTimers.clearAll();
      this.#timers.clearAll();
    } finally {
      this.#isBusy = false;
    }
  }

  bootstrap(nowMs: InstantMs, seeds: readonly Seed[], options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      const checked = seeds.map((seed) => checkedSeed("seed", seed, this.#idBytes));
      return this.#queries.bootstrap(now, checked, options);
    });
  }

  ping(nowMs: InstantMs, to: Seed, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#queries.ping(now, checkedSeed("to", to, this.#idBytes), options),
    );
  }

  findNode(nowMs: InstantMs, target: NodeId, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#queries.findNode(now, checkedId("target", target, this.#idBytes), options),
    );
  }

  get(nowMs: InstantMs, key: RecordKey, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#queries.get(now, checkedId("key", key, this.#idBytes), options),
    );
  }

  put(nowMs: InstantMs, record: DhtRecord, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      checkedId("record.key", record.key, this.#idBytes);
      checkedBytes("invalidRecord", "record.body", record.body);
      return this.#queries.put(now, record, options);
    });
  }

  announce(
    nowMs: InstantMs,
    key: RecordKey,
    announcement: Announcement = {},
    options: QueryOptions = {},
  ): QueryId {
    return this.#command(nowMs, (now) =>
      this.#announcer.announce(now, checkedId("key", key, this.#idBytes), announcement, options),
    );
  }

  withdraw(nowMs: InstantMs, key: RecordKey, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#announcer.withdraw(now, checkedId("key", key, this.#idBytes), options),
    );
  }

  findProviders(nowMs: InstantMs, key: RecordKey, options: FindProvidersOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#queries.findProviders(now, checkedId("key", key, this.#idBytes), options),
    );
  }

  send(nowMs: InstantMs, to: Seed, protocol: string, body: Uint8Array, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      const seed = checkedSeed("to", to, this.#idBytes);
      const owned = copyBytes(checkedBytes("invalidArgument", "body", body));
      return this.#queries.send(now, seed, checkedProtocol(protocol), owned, options);
    });
  }

  reply(nowMs: InstantMs, token: ReplyToken, body: Uint8Array): boolean {
    this.#enter(nowMs);
    try {
      return !this.#isClosed && this.#box.reply(token, checkedBytes("invalidArgument", "body", body));
    } finally {
      this.#isBusy = false;
    }
  }

  cancel(nowMs: InstantMs, query: QueryId): boolean {
    const now = this.#enter(nowMs);
    try {
      return this.#queries.cancel(now, query);
    } finally {
      this.#isBusy = false;
    }
  }

  addContact(nowMs: InstantMs, contact: Contact): InsertOutcome {
    return this.#command(nowMs, () => {
      const checked = checkedContact("contact", contact, this.#idBytes);
      if (checked.id.equals(this.id)) return { type: "refused", reason: "self" };
      return this.#neighbours.offer(checked);
    });
  }

  setProtocols(names: readonly string[]): void {
    this.#refuseHooks();
    this.#box.setProtocols(names.map(checkedProtocol));
  }

  setTimer(nowMs: InstantMs, delayMs: number, plugin: PluginId): TimerId {
    return this.#command(nowMs, (now) => this.#pluginTimers.set(now, delayMs, plugin));
  }

  clearTimer(timer: TimerId): boolean {
    this.#refuseHooks();
    return this.#pluginTimers.clear(timer);
  }

  stats(): NodeStats {
    const { limits } = this.#options;
    const { dropped, refused, contactsRefused, misbehaviour, ...counters } = this.#counters;
    return {
      ...counters,
      requestsSent: this.#rpc.requestsSent,
      retransmissions: this.#rpc.retransmissions,
      dropped: { ...dropped },
      refused: { ...refused },
      contactsRefused: { ...contactsRefused },
      misbehaviour: { ...misbehaviour },
      eventsDropped: { ...this.#events.dropped },
      networkSize: this.#queries.networkSize(this.#nowMs ?? 0),
      health: this.#health.state,
      gauges: {
        contacts: { used: this.#table.size, limit: 8 * this.#idBytes * limits.bucketSize },
        queries: { used: this.#queries.size, limit: limits.maxQueries },
        requestsInFlight: { used: this.#rpc.inFlight, limit: limits.maxInFlight },
        pendingRequests: { used: this.#rpc.pending, limit: limits.maxPendingRequests },
        peerHistories: { used: this.#history.size, limit: limits.maxPeerHistories },
        pings: { used: this.#neighbours.pings, limit: limits.maxPendingRequests },
        queuedReplies: {
          used: this.#responder.queued - this.#responder.queuedAnswers,
          limit: limits.maxQueuedReplies,
        },
        queuedAnswers: { used: this.#responder.queuedAnswers, limit: limits.maxReplyTokens },
        queuedEvents: { used: this.#events.others, limit: limits.maxQueuedEvents },
        queuedMessages: { used: this.#events.messages, limit: limits.maxQueuedMessages },
        replyTokens: { used: this.#box.size, limit: limits.maxReplyTokens },
        sendBytes: { used: this.#queries.sendBytes, limit: limits.maxSendBytes },
        records: this.#keeper.records,
        recordBytes: this.#keeper.recordBytes,
        providers: this.#providers.providers,
        providerBytes: this.#providers.providerBytes,
        providerKeys: this.#providers.providerKeys,
        ownProviders: this.#announcer.ownProviders,
        republishing: { used: this.#maintenance.republishing, limit: limits.maxRepublishAtOnce },
        sources: { used: this.#rates.size, limit: limits.maxSources },
        pluginTimers: { used: this.#pluginTimers.most, limit: limits.maxTimersPerPlugin },
      },
    };
  }

  #onMessage(nowMs: InstantMs, from: Path, bytes: Uint8Array): void {
    const counters = this.#counters;
    if (this.#isClosed) {
      counters.dropped.closed++;
      return;
    }
    counters.messagesReceived++;
    counters.bytesReceived += bytes.length;
    this.#health.onInput(nowMs);
    const message = this.#options.protocol.decode(bytes);
    if (message.kind === "malformed") {
      counters.dropped[message.reason]++;
      if (isFault(message.reason)) this.#misbehaved(from, "malformed");
      if (message.requestId === undefined || !this.#responder.admit(nowMs, from)) return;
      const reason = message.reason === "unknownRequest" ? "unsupported" : "malformed";
      this.#responder.refuse(message.requestId, from, reason, bytes.length);
      return;
    }
    const { sender } = message;
    if (sender.key === this.id.key) this.#dropSender(from, "ownId");
    else if (from.peer !== undefined && !from.peer.equals(sender)) this.#dropSender(from, "wrongSender");
    else if (message.kind === "request") this.#onRequest(nowMs, message, from, bytes.length);
    else this.#onResponse(nowMs, message, from);
  }

  #dropSender(from: Path, reason: "ownId" | "wrongSender"): void {
    this.#counters.dropped[reason]++;
    this.#misbehaved(from, reason);
  }

  #onRequest(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    if (!this.#responder.admit(nowMs, from)) return;
    this.#counters.requestsReceived++;
    this.#responder.onRequest(nowMs, message, from, this.#unixMs(), bytes);
    this.#neighbours.onAsked(nowMs, message, from, bytes);
  }

  #onResponse(nowMs: InstantMs, message: ResponseMessage, from: Path): void {
    const outcome = this.#rpc.onResponse(nowMs, message, from);
    if (outcome.type === "dropped") {
      this.#counters.dropped[outcome.reason]++;
      if (outcome.reason === "wrongSource" || outcome.reason === "wrongType")
        this.#misbehaved(from, "unexpectedResponse");
      return;
    }
    this.#counters.responsesReceived++;
    const { request } = outcome;
    const { owner } = request;
    const expected = request.to.id;
    if (expected !== undefined && !expected.equals(message.sender)) {
      this.#neighbours.onReplaced(expected, outcome.address);
      owner?.onFailure(nowMs, request, "wrongPeer");
      return;
    }
    this.#neighbours.onAnswered(nowMs, request, message, from);
    owner?.onResponse(nowMs, request, message, from);
  }

  #onNetwork(nowMs: InstantMs, event: Exclude<NetworkEvent, { type: "message" }>): void {
    switch (event.type) {
      case "deferred":
        this.#rpc.onDeferred(nowMs, event.tag);
        return;
      case "sent":
        this.#rpc.onSent(nowMs, event.tag);
        return;
      case "sendFailed":
        this.#rpc.onSendFailed(nowMs, event.to, event.tag, event.reason);
        return;
      case "flow":
        this.#rpc.setLink(event.link, event.open);
        if (event.open) this.#queries.wakeAll();
        return;
      case "addressesChanged":
        this.#onAddresses(nowMs, event.addresses);
        return;
      case "wallClock":
        this.#onWallClock(nowMs, event.unixMs);
    }
  }

  /** One address that others observe anyway is not declared; any other list is, in every message. */
  #onAddresses(nowMs: InstantMs, addresses: readonly Address[]): void {
    this.#own.clear();
    for (const address of addresses) this.#own.add(address.key);
    const isClient = this.#options.mode === "client";
    const isObserved = addresses.length === 1 && ((addresses[0] as Address).kind & datagramKinds) !== 0;
    const isSilent = isClient || isObserved;
    const bound = boundAddresses(addresses);
    this.#writer.declared = isSilent ? [] : bound;
    this.#writer.provided = isClient ? bound : this.#writer.declared;
    this.#self = isClient || bound.length === 0 ? undefined : { id: this.id, addresses: bound };
    this.#announcer.renewAll(nowMs);
    this.#health.reset();
  }

  #onWallClock(nowMs: InstantMs, unixMs: number): void {
    const sleptMs = this.#health.sleptMs(nowMs, unixMs);
    this.#unixOffsetMs = unixMs - nowMs;
    if (sleptMs === undefined) return;
    this.#health.reset();
    this.#history.forgive();
    this.#maintenance.onWoken(nowMs);
    this.#announcer.renewAll(nowMs);
  }

  /** Replies and requests of our own take turns. */
  #nextTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.#repliesFirst = !this.#repliesFirst;
    if (this.#repliesFirst)
      return this.#responder.pollTransmit(nowMs, into) ?? this.#nextRequest(nowMs, into);
    return this.#nextRequest(nowMs, into) ?? this.#responder.pollTransmit(nowMs, into);
  }

  #nextRequest(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    if (this.#isClosed) return undefined;
    return this.#rpc.pollTransmit(nowMs, into) ?? this.#queries.pollTransmit(nowMs, into);
  }

  /** Begins a transition: refuses hooks that call back, keeps time from running backwards, starts maintenance once. */
  #enter(nowMs: InstantMs): InstantMs {
    this.#refuseHooks();
    if (!Number.isFinite(nowMs))
      throw new UsageError("invalidArgument", `nowMs: ${nowMs}; allowed is a finite number`);
    this.#isBusy = true;
    const lastMs = this.#nowMs;
    if (lastMs !== undefined && nowMs <= lastMs) return lastMs;
    this.#nowMs = nowMs;
    if (lastMs === undefined) this.#maintenance.start(nowMs);
    return nowMs;
  }

  /** Hooks are called in the middle of a transition, where no other may begin. */
  #refuseHooks(): void {
    if (!this.#isBusy) return;
    throw new UsageError(
      "reentrant",
      "a hook of the node (store, validator, sha256, random, addresses, protocol) called the node",
    );
  }

  get #idBytes(): number {
    return this.#options.protocol.idBytes;
  }

  #command<T>(nowMs: InstantMs, run: (nowMs: InstantMs) => T): T {
    const now = this.#enter(nowMs);
    try {
      if (this.#isClosed) throw new UsageError("closed", "the node is closed");
      return run(now);
    } finally {
      this.#isBusy = false;
    }
  }

  #unixMs(): number | undefined {
    return this.#unixOffsetMs === undefined ? undefined : this.#unixOffsetMs + (this.#nowMs ?? 0);
  }

  #misbehaved(from: Path, code: RemoteErrorCode): void {
    this.#counters.misbehaviour[code]++;
    this.#events.push({ type: "peerMisbehaved", from, code });
  }
}

/** Another version, or a kind that a later one may have, is no misbehaviour. */
function isFault(reason: MalformedReason): boolean {
  return reason !== "wrongVersion" && reason !== "unknownRequest" && reason !== "unknownResponse";
}
