/**
 * A machine around a machine: everything that the inner one sends is sealed, everything that it hears was opened.
 *
 * The inner machine knows nothing of it but the proven `peer` in a path. What concerns the channel alone (handshakes,
 * failures below) becomes what the inner machine understands: a message that waits for a handshake is `deferred`, then
 * `sent`, or `sendFailed` exactly once.
 */
import {
  type Announcement,
  type Commands,
  type Contact,
  type Deadline,
  type DhtRecord,
  type FindProvidersOptions,
  type InsertOutcome,
  type InstantMs,
  type Machine,
  type NetworkEvent,
  type NodeEvent,
  type NodeId,
  type NodeStats,
  type PluginId,
  type QueryId,
  type QueryOptions,
  type ReadonlyRoutingTable,
  type RecordKey,
  type ReplyToken,
  type SecureChannel,
  type Seed,
  type TimerId,
  type Transmit,
  UsageError,
} from "@kad/core";
import { Fifo } from "./fifo.ts";

/** At least every eighth transmit is the channel's, if it has one: handshakes go on while the node is busy. */
const channelEvery = 8;
/** Messages of the inner machine that one poll takes in at most: each may only begin to wait for a handshake. */
const maxInnerPolls = 16;
const maxErrors = 64;

/**
 * Wraps `node`, from then on only to be called through what is returned, into `channel`. Build the node with the
 * identity's id and with `padRequests: false`, since a session proves the address.
 *
 * Give `pollTransmit` the room of a sealed message. The inner machine gets as much less as the channel adds; where links
 * differ in what they carry, the address table has to know of it too (`AddressTable`, `overheadBytes`).
 * @throws UsageError `invalidOption` when the channel's identity has another id than the node
 */
export function secure(
  node: Machine<NodeEvent> & Commands,
  channel: SecureChannel & { readonly id?: NodeId },
): Machine<NodeEvent> & Commands {
  if (channel.id !== undefined && !channel.id.equals(node.id)) {
    throw new UsageError(
      "invalidOption",
      `node: its id is ${node.id.toHex()}; allowed is the id of the channel's identity, ${channel.id.toHex()}`,
    );
  }
  return new SecureMachine(node, channel);
}

class SecureMachine implements Machine<NodeEvent>, Commands {
  readonly #node: Machine<NodeEvent> & Commands;
  readonly #channel: SecureChannel;
  /** What the inner machine writes into. */
  #plaintext: Uint8Array = new Uint8Array(0);
  readonly #errors: Fifo<NodeEvent> = new Fifo(maxErrors);
  /** Transmits since the channel had its turn. */
  #sinceChannel = 0;
  #isClosing = false;

  constructor(node: Machine<NodeEvent> & Commands, channel: SecureChannel) {
    this.#node = node;
    this.#channel = channel;
  }

  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    if (event.type === "message") {
      const opened = this.#channel.open(nowMs, event.from, event.bytes);
      if (opened !== undefined) {
        const { from, plaintext } = opened;
        this.#node.handleNetworkEvent(nowMs, { type: "message", from, bytes: plaintext });
      }
      this.#settle(nowMs);
      return;
    }
    this.#channel.handleNetworkEvent(nowMs, event);
    const tag = event.type === "sendFailed" ? event.tag : undefined;
    // A message that the channel has sealed and sends again by itself has not failed, whatever the transport says.
    if (!this.#settle(nowMs, tag)) this.#node.handleNetworkEvent(nowMs, event);
  }

  handleTimeout(nowMs: InstantMs): void {
    this.#channel.handleTimeout(nowMs);
    this.#settle(nowMs);
    this.#node.handleTimeout(nowMs);
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const isChannelsTurn = this.#sinceChannel >= channelEvery - 1;
    const first = isChannelsTurn ? this.#pollChannel(nowMs, into) : undefined;
    if (first !== undefined) return first;
    const room = this.#roomFor(into);
    let last: Transmit | undefined;
    for (let polls = 0; polls < maxInnerPolls; polls++) {
      last = this.#node.pollTransmit(nowMs, room);
      if (last === undefined) break;
      const sealed = this.#seal(nowMs, last, room, into);
      if (sealed !== undefined) return sealed;
    }
    if (last === undefined && this.#isClosing) this.#channel.close(nowMs);
    const own = this.#pollChannel(nowMs, into);
    if (own !== undefined || last === undefined) return own;
    // There is more, but all so far waits: nothing to send, and to be polled again.
    return { path: last.path, peer: last.peer, length: 0, tag: 0, deferred: true };
  }

  pollEvent(): NodeEvent | undefined {
    return this.#errors.shift() ?? this.#node.pollEvent();
  }

  nextDeadline(): Deadline | undefined {
    const [ours, inner] = [this.#channel.nextDeadline(), this.#node.nextDeadline()];
    if (ours === undefined || inner === undefined) return ours ?? inner;
    return ours.atMs < inner.atMs ? ours : inner;
  }

  /** The node first: what it still has to say is sealed. Then the channel says goodbye. */
  close(nowMs: InstantMs): void {
    this.#isClosing = true;
    this.#node.close(nowMs);
  }

  get drained(): boolean {
    return this.#node.drained && this.#channel.drained && this.#errors.length === 0;
  }

  #pollChannel(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const transmit = this.#channel.pollTransmit(nowMs, into);
    this.#settle(nowMs);
    this.#sinceChannel = 0;
    return transmit;
  }

  /** `undefined`: it waits, or is refused, and the inner machine knows. */
  #seal(nowMs: InstantMs, transmit: Transmit, room: Uint8Array, into: Uint8Array): Transmit | undefined {
    const { path, peer, length, tag, deferred } = transmit;
    if (deferred) return transmit;
    const sealed = this.#channel.seal(nowMs, transmit, room.subarray(0, length), into);
    if (sealed === "pending" && tag !== 0) this.#node.handleNetworkEvent(nowMs, { type: "deferred", tag });
    this.#settle(nowMs);
    if (typeof sealed === "string") return undefined;
    this.#sinceChannel++;
    return { path, peer, length: sealed, tag };
  }

  /** Tells the inner machine what has become of its messages. `true`: of the one with this tag too. */
  #settle(nowMs: InstantMs, tag?: number): boolean {
    let isTold = false;
    for (let event = this.#channel.pollEvent(); event !== undefined; event = this.#channel.pollEvent()) {
      if (event.type === "error") {
        this.#errors.push(event);
        continue;
      }
      this.#node.handleNetworkEvent(nowMs, event);
      isTold ||= event.tag === tag;
    }
    return isTold;
  }

  #roomFor(into: Uint8Array): Uint8Array {
    const length = Math.max(0, into.length - this.#channel.overheadBytes);
    if (this.#plaintext.length < length) this.#plaintext = new Uint8Array(length);
    return this.#plaintext.length === length ? this.#plaintext : this.#plaintext.subarray(0, length);
  }

  bootstrap(nowMs: InstantMs, seeds: readonly Seed[], options?: QueryOptions): QueryId {
    return this.#node.bootstrap(nowMs, seeds, options);
  }

  ping(nowMs: InstantMs, to: Seed, options?: QueryOptions): QueryId {
    return this.#node.ping(nowMs, to, options);
  }

  findNode(nowMs: InstantMs, target: NodeId, options?: QueryOptions): QueryId {
    return this.#node.findNode(nowMs, target, options);
  }

  get(nowMs: InstantMs, key: RecordKey, options?: QueryOptions): QueryId {
    return this.#node.get(nowMs, key, options);
  }

  put(nowMs: InstantMs, record: DhtRecord, options?: QueryOptions): QueryId {
    return this.#node.put(nowMs, record, options);
  }

  announce(nowMs: InstantMs, key: RecordKey, announcement?: Announcement, options?: QueryOptions): QueryId {
    return this.#node.announce(nowMs, key, announcement, options);
  }

  withdraw(nowMs: InstantMs, key: RecordKey, options?: QueryOptions): QueryId {
    return this.#node.withdraw(nowMs, key, options);
  }

  findProviders(nowMs: InstantMs, key: RecordKey, options?: FindProvidersOptions): QueryId {
    return this.#node.findProviders(nowMs, key, options);
  }

  send(nowMs: InstantMs, to: Seed, protocol: string, body: Uint8Array, options?: QueryOptions): QueryId {
    return this.#node.send(nowMs, to, protocol, body, options);
  }

  reply(nowMs: InstantMs, token: ReplyToken, body: Uint8Array): boolean {
    return this.#node.reply(nowMs, token, body);
  }

  cancel(nowMs: InstantMs, query: QueryId): boolean {
    return this.#node.cancel(nowMs, query);
  }

  addContact(nowMs: InstantMs, contact: Contact): InsertOutcome {
    return this.#node.addContact(nowMs, contact);
  }

  setProtocols(names: readonly string[]): void {
    this.#node.setProtocols(names);
  }

  setTimer(nowMs: InstantMs, delayMs: number, plugin: PluginId): TimerId {
    return this.#node.setTimer(nowMs, delayMs, plugin);
  }

  clearTimer(timer: TimerId): boolean {
    return this.#node.clearTimer(timer);
  }

  get id(): NodeId {
    return this.#node.id;
  }

  get table(): ReadonlyRoutingTable {
    return this.#node.table;
  }

  stats(): NodeStats {
    return this.#node.stats();
  }
}
