/**
 * A Kademlia node without I/O: it takes inputs and commands to its parts, and hands out what they produce.
 *
 * Kademlia (Maymounkov & Mazières 2002). Every public call is one transition: it reads nothing but its arguments and
 * leaves a state from which the next call may follow. What is said to whom is decided in the {@link NodeParts}: queries
 * (whose turn it is), rpc (requests), responder (answers), neighbours (the table), maintenance (time).
 */
import type { Address } from "./address.ts";
import { copyBytes } from "./bytes.ts";
import { checkedBytes, checkedContact, checkedId, checkedProtocol, checkedSeed } from "./command-checks.ts";
import type { Commands, FindProvidersOptions, QueryOptions } from "./commands.ts";
import type { Contact, Seed } from "./contact.ts";
import { UsageError } from "./errors.ts";
import type { NodeEvent, PluginId, QueryId, ReplyToken, TimerId } from "./events.ts";
import type { Deadline, InstantMs, Machine, NetworkEvent, Transmit } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeOptions } from "./node-options.ts";
import { NodeParts } from "./node-parts.ts";
import { nodeStats } from "./node-stats.ts";
import type { Announcement } from "./provider.ts";
import type { DhtRecord, RecordKey } from "./record.ts";
import type { InsertOutcome, ReadonlyRoutingTable } from "./routing-table.ts";
import type { NodeStats } from "./stats.ts";

export class KadNode implements Machine<NodeEvent>, Commands {
  readonly id: NodeId;
  readonly #parts: NodeParts;
  #isBusy = false;
  #isClosed = false;
  #repliesFirst = true;

  /** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
  constructor(options: NodeOptions) {
    this.#parts = new NodeParts(options);
    this.id = this.#parts.id;
  }

  get table(): ReadonlyRoutingTable {
    return this.#parts.table;
  }

  get drained(): boolean {
    return this.#isClosed && this.#parts.responder.queued === 0 && this.#parts.events.length === 0;
  }

  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    const now = this.#enter(nowMs);
    try {
      if (event.type === "message") this.#parts.receiver.onMessage(now, event.from, event.bytes);
      else if (!this.#isClosed) this.#onNetwork(now, event);
    } finally {
      this.#isBusy = false;
    }
  }

  handleTimeout(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    try {
      this.#parts.timers.run(now);
    } finally {
      this.#isBusy = false;
    }
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const now = this.#enter(nowMs);
    try {
      const transmit = this.#nextTransmit(now, into);
      if (transmit !== undefined) {
        this.#parts.counters.messagesSent++;
        this.#parts.counters.bytesSent += transmit.length;
      }
      return transmit;
    } finally {
      this.#isBusy = false;
    }
  }

  pollEvent(): NodeEvent | undefined {
    this.#refuseHooks();
    return this.#parts.events.poll();
  }

  nextDeadline(): Deadline | undefined {
    const timer = this.#parts.timers.earliest;
    return timer === undefined ? undefined : { atMs: timer.atMs, reason: timer.reason };
  }

  close(nowMs: InstantMs): void {
    const now = this.#enter(nowMs);
    try {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#parts.receiver.close();
      this.#parts.queries.closeAll(now);
      this.#parts.rpc.close();
      this.#parts.neighbours.close();
      this.#parts.responder.close();
      this.#parts.box.clear();
      this.#parts.pluginTimers.clearAll();
      this.#parts.timers.clearAll();
    } finally {
      this.#isBusy = false;
    }
  }

  bootstrap(nowMs: InstantMs, seeds: readonly Seed[], options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      const checked = seeds.map((seed) => checkedSeed("seed", seed, this.#parts.idBytes));
      return this.#parts.queries.bootstrap(now, checked, options);
    });
  }

  ping(nowMs: InstantMs, to: Seed, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.queries.ping(now, checkedSeed("to", to, this.#parts.idBytes), options),
    );
  }

  findNode(nowMs: InstantMs, target: NodeId, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.queries.findNode(now, checkedId("target", target, this.#parts.idBytes), options),
    );
  }

  get(nowMs: InstantMs, key: RecordKey, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.queries.get(now, checkedId("key", key, this.#parts.idBytes), options),
    );
  }

  put(nowMs: InstantMs, record: DhtRecord, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      checkedId("record.key", record.key, this.#parts.idBytes);
      checkedBytes("invalidRecord", "record.body", record.body);
      return this.#parts.queries.put(now, record, options);
    });
  }

  announce(
    nowMs: InstantMs,
    key: RecordKey,
    announcement: Announcement = {},
    options: QueryOptions = {},
  ): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.announcer.announce(now, checkedId("key", key, this.#parts.idBytes), announcement, options),
    );
  }

  withdraw(nowMs: InstantMs, key: RecordKey, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.announcer.withdraw(now, checkedId("key", key, this.#parts.idBytes), options),
    );
  }

  findProviders(nowMs: InstantMs, key: RecordKey, options: FindProvidersOptions = {}): QueryId {
    return this.#command(nowMs, (now) =>
      this.#parts.queries.findProviders(now, checkedId("key", key, this.#parts.idBytes), options),
    );
  }

  send(nowMs: InstantMs, to: Seed, protocol: string, body: Uint8Array, options: QueryOptions = {}): QueryId {
    return this.#command(nowMs, (now) => {
      const seed = checkedSeed("to", to, this.#parts.idBytes);
      const owned = copyBytes(checkedBytes("invalidArgument", "body", body));
      return this.#parts.queries.send(now, seed, checkedProtocol(protocol), owned, options);
    });
  }

  reply(nowMs: InstantMs, token: ReplyToken, body: Uint8Array): boolean {
    this.#enter(nowMs);
    try {
      return !this.#isClosed && this.#parts.box.reply(token, checkedBytes("invalidArgument", "body", body));
    } finally {
      this.#isBusy = false;
    }
  }

  cancel(nowMs: InstantMs, query: QueryId): boolean {
    const now = this.#enter(nowMs);
    try {
      return this.#parts.queries.cancel(now, query);
    } finally {
      this.#isBusy = false;
    }
  }

  addContact(nowMs: InstantMs, contact: Contact): InsertOutcome {
    return this.#command(nowMs, () => {
      const checked = checkedContact("contact", contact, this.#parts.idBytes);
      if (checked.id.equals(this.id)) return { type: "refused", reason: "self" };
      return this.#parts.neighbours.offer(checked);
    });
  }

  setProtocols(names: readonly string[]): void {
    this.#refuseHooks();
    this.#parts.box.setProtocols(names.map(checkedProtocol));
  }

  setTimer(nowMs: InstantMs, delayMs: number, plugin: PluginId): TimerId {
    return this.#command(nowMs, (now) => this.#parts.pluginTimers.set(now, delayMs, plugin));
  }

  clearTimer(timer: TimerId): boolean {
    this.#refuseHooks();
    return this.#parts.pluginTimers.clear(timer);
  }

  stats(): NodeStats {
    return nodeStats(this.#parts.nowMs ?? 0, this.#parts);
  }

  #onNetwork(nowMs: InstantMs, event: Exclude<NetworkEvent, { type: "message" }>): void {
    switch (event.type) {
      case "deferred":
        this.#parts.rpc.onDeferred(nowMs, event.tag);
        return;
      case "sent":
        this.#parts.rpc.onSent(nowMs, event.tag);
        return;
      case "sendFailed":
        this.#parts.rpc.onSendFailed(nowMs, event.to, event.tag, event.reason);
        return;
      case "flow":
        this.#parts.rpc.setLink(event.link, event.open);
        if (event.open) this.#parts.queries.wakeAll();
        return;
      case "addressesChanged":
        this.#onAddresses(nowMs, event.addresses);
        return;
      case "wallClock":
        this.#onWallClock(nowMs, event.unixMs);
    }
  }

  #onAddresses(nowMs: InstantMs, addresses: readonly Address[]): void {
    if (this.#parts.own.set(addresses)) this.#parts.maintenance.onMoved(nowMs);
    this.#parts.writer.declared = this.#parts.own.declared;
    this.#parts.writer.provided = this.#parts.own.provided;
    this.#parts.announcer.renewAll(nowMs);
    this.#parts.health.reset();
  }

  #onWallClock(nowMs: InstantMs, unixMs: number): void {
    const sleptMs = this.#parts.health.sleptMs(nowMs, unixMs);
    this.#parts.unixOffsetMs = unixMs - nowMs;
    if (sleptMs === undefined) return;
    this.#parts.health.reset();
    this.#parts.history.forgive();
    this.#parts.maintenance.onWoken(nowMs);
    this.#parts.announcer.renewAll(nowMs);
  }

  /** Replies and requests of our own take turns. */
  #nextTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.#repliesFirst = !this.#repliesFirst;
    if (this.#repliesFirst)
      return this.#parts.responder.pollTransmit(nowMs, into) ?? this.#nextRequest(nowMs, into);
    return this.#nextRequest(nowMs, into) ?? this.#parts.responder.pollTransmit(nowMs, into);
  }

  #nextRequest(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    if (this.#isClosed) return undefined;
    return this.#parts.rpc.pollTransmit(nowMs, into) ?? this.#parts.queries.pollTransmit(nowMs, into);
  }

  /** Begins a transition: refuses hooks that call back, keeps time from running backwards, starts maintenance once. */
  #enter(nowMs: InstantMs): InstantMs {
    this.#refuseHooks();
    if (!Number.isFinite(nowMs))
      throw new UsageError("invalidArgument", `nowMs: ${nowMs}; allowed is a finite number`);
    this.#isBusy = true;
    const lastMs = this.#parts.nowMs;
    if (lastMs !== undefined && nowMs <= lastMs) return lastMs;
    this.#parts.nowMs = nowMs;
    if (lastMs === undefined) this.#parts.maintenance.start(nowMs);
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

  #command<T>(nowMs: InstantMs, run: (nowMs: InstantMs) => T): T {
    const now = this.#enter(nowMs);
    try {
      if (this.#isClosed) throw new UsageError("closed", "the node is closed");
      return run(now);
    } finally {
      this.#isBusy = false;
    }
  }
}
