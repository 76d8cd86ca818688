/**
 * The connections of a transport of streams: which one serves an address, when one is dialled or closed, and how much may
 * wait for it. No I/O: sockets are what the transport supplies, and time comes in with every call.
 *
 * TCP and WebSocket differ in their sockets and in nothing else, and what is here is what goes wrong in the dark:
 * slow readers, half-open connections, dials into the void (decision 26).
 *
 * - One connection for each address that is dialled, opened by the first message to it and used both ways. Messages that
 *   come meanwhile wait for the same dial.
 * - An accepted connection can be answered, and is never dialled: its address leads to no listener.
 * - What waits for one connection is bounded, and so is the sum. Whoever does not read fills its own queue, is refused
 *   with `queueFull`, and is closed once it has taken nothing for a while.
 * - Everything ends by a deadline: a dial, a message that has begun, a connection that nobody uses.
 */
import type { Address } from "./address.ts";
import { type AddressKind, addressKinds } from "./address-wire.ts";
import { Backlog } from "./backlog.ts";
import { copyBytes } from "./bytes.ts";
import { type CloseReason, Connection, type ConnectionSocket, isPeersFault } from "./connection.ts";
import { ConnectionDeadlines } from "./connection-deadlines.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { ConnectionCounters, type ConnectionStats } from "./connection-stats.ts";
import { DialBackOff } from "./dial-back-off.ts";
import type { InstantMs, Path, SendFailure, Transmit } from "./machine.ts";
import { PartialMessages } from "./partial-messages.ts";
import { TimerQueue } from "./timers.ts";
import type { SendOutcome, TransportSink } from "./transport.ts";

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Longest message, in bytes. */
  readonly maxBytes: number;
  /** Whom accepted connections of one host are counted by; `undefined`: they are not. `AddressTable.source`. */
  readonly source: (address: Address) => string | undefined;
  /**
   * Begins to open a connection to `connection.path.remote`; `opened` or `closed` follows, but not before this returns.
   * What it throws means that it cannot be dialled.
   */
  readonly dial: (connection: Connection) => ConnectionSocket;
  /**
   * How often to look at `bufferedBytes` while something waits, in ms, where sockets do not call `drained`. Default: only
   * when a stall would be over.
   */
  readonly drainCheckMs?: number;
}

/** With all queues full, the connection that has taken nothing for longest is closed, but not before this. */
const evictStalledMs = 1_000;
/**
 * What is gathered for `flush` leaves before, once it is so many bytes, as much as one read brings: more has left the
 * processor's caches by the time it is written.
 */
const maxGatheredBytes = 65_536;

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #limits: ConnectionLimits;
  readonly #timers = new TimerQueue();
  readonly #deadlines: ConnectionDeadlines;
  readonly #backOff: DialBackOff;
  readonly #counters = new ConnectionCounters();
  /** By the address that was dialled. */
  readonly #dialled = new Map<string, Connection>();
  /** By the address of the socket's other end. */
  readonly #accepted = new Map<string, Connection>();
  readonly #ending = new Set<Connection>();
  readonly #perHost = new Map<string, number>();
  readonly #partials = new PartialMessages();
  readonly #backlog = new Backlog();
  readonly #dirty: Connection[] = [];
  /** Sent since the last flush, whatever has left since. */
  #gatheredBytes = 0;
  readonly #fullKinds = new Set<AddressKind>();
  /** The one that was sent to last, while it serves its address. */
  #last: Connection | undefined;
  #sink: TransportSink | undefined;
  #onClosed: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#deadlines = new ConnectionDeadlines(options.limits, options.drainCheckMs);
    this.#backOff = new DialBackOff(options.limits);
  }

  /** Before anything else. */
  open(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** When `handleTimeout` wants to be called; `undefined`: not before another call. May change with any call. */
  get nextDeadlineMs(): InstantMs | undefined {
    return this.#timers.earliest?.atMs;
  }

  /** Early or repeated calls do nothing. */
  handleTimeout(nowMs: InstantMs): void {
    this.#timers.run(nowMs);
  }

  /** See `Transport.send`: what `path` says, whether its address may be dialled, decides on where to look. */
  send(nowMs: InstantMs, { path, tag, closes }: Transmit, bytes: Uint8Array): SendOutcome {
    const { remote } = path;
    if (this.#sink === undefined) return "unreachable";
    const connection = this.#find(path);
    if (closes) return this.#sendLast(nowMs, connection, bytes);
    if (bytes.length > this.#options.maxBytes || bytes.length === 0)
      return this.#refuse(remote, tag, "tooLarge");
    if (connection === undefined) {
      if (!path.dialable) return this.#refuse(remote, tag, "closed");
      return this.#dial(nowMs, { path, tag }, bytes);
    }
    return this.#enqueue(nowMs, connection, tag, bytes);
  }

  /** The end of a pump: what was sent in it leaves, unless it was so much that it has left before. */
  flush(nowMs: InstantMs): void {
    this.#flushDirty(nowMs);
    this.#reopenFlow();
  }

  /**
   * Others have opened a connection. `undefined`: it is one too many, and the transport closes it.
   * @param remote the socket's other end, which nobody can dial
   */
  accept(nowMs: InstantMs, remote: Address, socket: ConnectionSocket): Connection | undefined {
    const refusal = this.#whyNot(remote);
    if (refusal !== undefined) {
      this.#counters.refused[refusal]++;
      return undefined;
    }
    const connection = new Connection(this, { remote, dialable: false }, false, nowMs);
    connection.socket = socket;
    connection.state = "open";
    connection.host = this.#options.source(remote);
    if (connection.host !== undefined)
      this.#perHost.set(connection.host, (this.#perHost.get(connection.host) ?? 0) + 1);
    this.#accepted.set(remote.key, connection);
    this.#counters.opened.accepted++;
    this.#arm(nowMs, connection);
    return connection;
  }

  /** A transport has turned away a connection by itself, before it was one. */
  refused(reason: "noAddress" | "handshake" | "noResources"): void {
    this.#counters.refused[reason]++;
  }

  /** A dial has succeeded: what waited for it leaves. */
  opened(nowMs: InstantMs, connection: Connection): void {
    if (connection.state !== "dialling") return;
    connection.state = "open";
    connection.messageAtMs = connection.heardAtMs = connection.askedAtMs = nowMs;
    this.#backOff.onOpened(connection.path.remote.key);
    this.#counters.opened.dialled++;
    const { waiting, socket } = connection;
    connection.waiting = [];
    for (const { bytes } of waiting) {
      socket.send(bytes);
      connection.givenBytes += bytes.length;
    }
    socket.flush();
    this.#account(nowMs, connection);
    this.#arm(nowMs, connection);
    for (const { tag } of waiting) if (tag !== 0) this.#sink?.sent(tag);
  }

  /** A whole message has come. `bytes` is borrowed, and a plain `Uint8Array`. */
  received(connection: Connection, bytes: Uint8Array): void {
    if (connection.state !== "open") return;
    if (connection.partialSinceMs !== undefined) this.#partials.clear(connection);
    this.#sink?.message(connection.path, bytes);
  }

  /**
   * Something has come; called once for each chunk, after the messages in it.
   * @param messages whole messages in it
   * @param heldBytes memory that a message takes of which more has to come; `undefined`: there is none
   */
  heard(nowMs: InstantMs, connection: Connection, messages: number, heldBytes: number | undefined): void {
    if (connection.state !== "open") return;
    connection.heardAtMs = nowMs;
    if (messages > 0) connection.messageAtMs = nowMs;
    if (heldBytes === undefined) {
      if (connection.partialSinceMs !== undefined) this.#partials.clear(connection);
      return;
    }
    if (this.#partials.set(nowMs, connection, heldBytes))
      this.#timers.setEarlier(connection, nowMs + this.#limits.messageTimeoutMs);
    while (this.#partials.bytes > this.#limits.maxPartialBytes)
      this.#fail(nowMs, this.#partials.oldest as Connection, "slow");
  }

  /** The system has taken some of what waited. */
  drained(nowMs: InstantMs, connection: Connection): void {
    if (connection.state !== "open") return;
    this.#account(nowMs, connection);
    this.#reopenFlow();
  }

  /** The socket is gone, or was never there; the transport has freed it. */
  closed(nowMs: InstantMs, connection: Connection, reason: CloseReason): void {
    if (connection.state === "closed") return;
    if (connection.state === "ending") {
      this.#timers.clear(connection);
      connection.state = "closed";
      this.#ending.delete(connection);
      this.#checkClosed();
      return;
    }
    this.#remove(nowMs, connection, reason);
    connection.state = "closed";
    this.#checkClosed();
  }

  /**
   * Dials are given up; what was sent on open connections leaves, then they close, those that take it too slowly by a
   * deadline. Nothing reaches the sink any more.
   * @param onClosed called once, at once perhaps, when the last connection is gone
   */
  close(nowMs: InstantMs, onClosed: () => void): void {
    this.#sink = undefined;
    this.#onClosed = onClosed;
    for (const connection of [...this.#dialled.values(), ...this.#accepted.values()]) {
      if (connection.state === "dialling") this.#fail(nowMs, connection, "shutdown");
      else this.#end(nowMs, connection, "shutdown");
    }
    this.#checkClosed();
  }

  /** A snapshot; plain data that the caller owns. */
  get stats(): ConnectionStats {
    const limits = this.#limits;
    return this.#counters.snapshot({
      accepted: { used: this.#accepted.size, limit: limits.maxAccepted },
      dialled: { used: this.#dialled.size, limit: limits.maxDialled },
      queuedBytes: { used: this.#backlog.bytes, limit: limits.maxQueuedBytesInAll },
      partialBytes: { used: this.#partials.bytes, limit: limits.maxPartialBytes },
      backOffs: { used: this.#backOff.size, limit: limits.maxBackOffs },
    });
  }

  /** @internal a connection's timer */
  onDue(nowMs: InstantMs, connection: Connection): void {
    const { state } = connection;
    if (state === "dialling") this.#fail(nowMs, connection, "timedOut");
    else if (state === "ending") this.#destroy(connection, "shutdown");
    else if (state === "open") this.#look(nowMs, connection);
  }

  /** What is sent in one turn mostly goes to few: that to the last one needs no look-up. */
  #find({ remote, dialable }: Path): Connection | undefined {
    const last = this.#last;
    if (last !== undefined && last.path.remote === remote && last.isDialled === dialable) return last;
    const found = (dialable ? this.#dialled : this.#accepted).get(remote.key);
    this.#last = found;
    return found;
  }

  #enqueue(nowMs: InstantMs, connection: Connection, tag: number, bytes: Uint8Array): SendOutcome {
    const { remote } = connection.path;
    const { length } = bytes;
    if (!this.#hasRoom(nowMs, connection, length)) {
      this.#counters.queueFull++;
      return this.#refuse(remote, tag, "queueFull");
    }
    if (!this.#hasRoomInAll(nowMs, length)) return this.#full(remote);
    if (connection.state === "dialling") return this.#wait(connection, tag, bytes);
    if (!connection.isOpen) return this.#refuse(remote, tag, "closed"); // it stood in the way of all, and was closed
    connection.socket.send(bytes);
    connection.givenBytes += length;
    this.#backlog.add(connection, length);
    if (!connection.isDirty) {
      connection.isDirty = true;
      connection.messageAtMs = nowMs;
      this.#dirty.push(connection);
    }
    this.#gatheredBytes += length;
    if (this.#gatheredBytes >= maxGatheredBytes) this.#flushDirty(nowMs);
    return "sent";
  }

  #flushDirty(nowMs: InstantMs): void {
    const dirty = this.#dirty;
    for (let i = 0; i < dirty.length; i++) {
      const connection = dirty[i] as Connection;
      connection.isDirty = false;
      if (connection.state !== "open") continue;
      connection.socket.flush();
      this.#account(nowMs, connection);
    }
    dirty.length = 0;
    this.#gatheredBytes = 0;
  }

  /** A layer above ends the connection, perhaps with a last word. It knows, so nobody is told that it is gone. */
  #sendLast(nowMs: InstantMs, connection: Connection | undefined, bytes: Uint8Array): SendOutcome {
    if (connection === undefined) return "sent";
    if (connection.state === "dialling") {
      this.#fail(nowMs, connection, "ended");
      return "sent";
    }
    if (bytes.length > 0) {
      connection.socket.send(bytes);
      connection.isDirty = true;
    }
    this.#end(nowMs, connection, "ended");
    return "sent";
  }

  /** One message always has room where none waits. */
  #hasRoom(nowMs: InstantMs, connection: Connection, length: number): boolean {
    const { maxQueuedBytes } = this.#limits;
    if (connection.bufferedBytes === 0 || connection.bufferedBytes + length <= maxQueuedBytes) return true;
    if (!connection.isDirty || connection.state !== "open") return false;
    connection.socket.flush(); // the system may take what only this pump has gathered
    this.#account(nowMs, connection);
    return connection.bufferedBytes === 0 || connection.bufferedBytes + length <= maxQueuedBytes;
  }

  /** Whoever has taken nothing for a while may stand in the way of itself, but not of all others. */
  #hasRoomInAll(nowMs: InstantMs, length: number): boolean {
    const limitBytes = this.#limits.maxQueuedBytesInAll;
    for (;;) {
      if (this.#backlog.bytes === 0 || this.#backlog.bytes + length <= limitBytes) return true;
      const stalled = this.#backlog.stalled(nowMs, evictStalledMs);
      if (stalled === undefined) return false;
      this.#fail(nowMs, stalled, "stalled");
    }
  }

  #dial(nowMs: InstantMs, { path, tag }: Pick<Transmit, "path" | "tag">, bytes: Uint8Array): SendOutcome {
    const { remote } = path;
    if (this.#backOff.has(nowMs, remote.key)) {
      this.#counters.backedOff++;
      return "unreachable";
    }
    if (!this.#hasRoomInAll(nowMs, bytes.length) || !this.#makeRoomToDial(nowMs)) return this.#full(remote);
    const connection = new Connection(this, { remote, dialable: true }, true, nowMs);
    try {
      connection.socket = this.#options.dial(connection);
    } catch {
      this.#counters.closed.unreachable++;
      this.#backOff.onFailed(nowMs, remote.key);
      return "unreachable";
    }
    this.#dialled.set(remote.key, connection);
    this.#timers.set(connection, nowMs + this.#limits.connectTimeoutMs);
    return this.#wait(connection, tag, bytes);
  }

  /** Kept until the dial is over. */
  #wait(connection: Connection, tag: number, bytes: Uint8Array): SendOutcome {
    connection.waiting.push({ tag, bytes: copyBytes(bytes) });
    this.#backlog.add(connection, bytes.length);
    if (tag !== 0) this.#sink?.deferred(tag);
    return "queued";
  }

  /** The open connection of ours that was used longest ago, and for which nothing waits, gives its place. */
  #makeRoomToDial(nowMs: InstantMs): boolean {
    if (this.#dialled.size < this.#limits.maxDialled) return true;
    let oldest: Connection | undefined;
    for (const connection of this.#dialled.values()) {
      if (!connection.isOpen || connection.bufferedBytes > 0 || connection.partialSinceMs !== undefined)
        continue;
      if (oldest === undefined || connection.messageAtMs < oldest.messageAtMs) oldest = connection;
    }
    if (oldest === undefined) return false;
    this.#end(nowMs, oldest, "evicted");
    return true;
  }

  #whyNot(remote: Address): "full" | "hostFull" | "duplicate" | "closing" | undefined {
    const { maxAccepted, maxAcceptedPerHost } = this.#limits;
    if (this.#sink === undefined) return "closing";
    if (this.#accepted.has(remote.key)) return "duplicate";
    if (this.#accepted.size >= maxAccepted) return "full";
    const host = this.#options.source(remote);
    return host !== undefined && (this.#perHost.get(host) ?? 0) >= maxAcceptedPerHost
      ? "hostFull"
      : undefined;
  }

  /** Replies too: a layer below the node may have sealed them, and must know. */
  #refuse(to: Address, tag: number, reason: SendFailure): SendOutcome {
    if (tag === 0) this.#counters.lostReplies++;
    this.#sink?.sendFailed(to, tag, reason);
    return "queued";
  }

  #full(remote: Address): SendOutcome {
    this.#fullKinds.add(addressKinds[31 - Math.clz32(remote.kind)] as AddressKind);
    return "full";
  }

  /** Once half of what may wait is free again, and there is a place for a dial. */
  #reopenFlow(): void {
    if (this.#fullKinds.size === 0 || this.#backlog.bytes > this.#limits.maxQueuedBytesInAll / 2) return;
    if (this.#dialled.size >= this.#limits.maxDialled && this.#isAllBusy()) return;
    const kinds = [...this.#fullKinds];
    this.#fullKinds.clear();
    for (const kind of kinds) this.#sink?.flow(kind, true);
  }

  #isAllBusy(): boolean {
    for (const { isOpen, bufferedBytes } of this.#dialled.values())
      if (isOpen && bufferedBytes === 0) return false;
    return true;
  }

  #account(nowMs: InstantMs, connection: Connection): void {
    if (this.#backlog.look(nowMs, connection))
      this.#timers.setEarlier(connection, nowMs + this.#deadlines.backlogCheckMs);
  }

  /** An open connection's timer: is it still of use? */
  #look(nowMs: InstantMs, connection: Connection): void {
    if (connection.bufferedBytes > 0) {
      this.#account(nowMs, connection);
      this.#reopenFlow();
    }
    const verdict = this.#deadlines.verdict(nowMs, connection);
    switch (verdict) {
      case "stalled":
      case "slow":
      case "silent":
        this.#fail(nowMs, connection, verdict);
        return;
      case "idle":
        this.#end(nowMs, connection, verdict);
        return;
      case "ask":
        connection.askedAtMs = nowMs;
        connection.socket.keepAlive();
        break;
      case "fine":
    }
    this.#arm(nowMs, connection);
  }

  #arm(nowMs: InstantMs, connection: Connection): void {
    this.#timers.set(connection, this.#deadlines.next(nowMs, connection));
  }

  /** Closes at once. */
  #fail(nowMs: InstantMs, connection: Connection, reason: CloseReason): void {
    this.#remove(nowMs, connection, reason);
    this.#destroy(connection, reason);
  }

  #destroy(connection: Connection, reason: CloseReason): void {
    this.#timers.clear(connection);
    this.#ending.delete(connection);
    connection.state = "closed";
    connection.socket.destroy(reason);
    this.#checkClosed();
  }

  /** Closes once all has left, or a deadline has come. */
  #end(nowMs: InstantMs, connection: Connection, reason: CloseReason): void {
    if (connection.isDirty) connection.socket.flush();
    this.#remove(nowMs, connection, reason);
    connection.state = "ending";
    this.#ending.add(connection);
    this.#timers.set(connection, nowMs + this.#limits.closeTimeoutMs);
    connection.socket.end(reason);
  }

  /** It serves no address any more; those who wait for it, or for an answer through it, are told. */
  #remove(nowMs: InstantMs, connection: Connection, reason: CloseReason): void {
    const { path, isDialled, host, waiting } = connection;
    const wasDialling = connection.state === "dialling";
    connection.state = "closed";
    if (this.#last === connection) this.#last = undefined;
    this.#timers.clear(connection);
    this.#counters.closed[reason]++;
    this.#backlog.remove(connection);
    this.#partials.clear(connection);
    (isDialled ? this.#dialled : this.#accepted).delete(path.remote.key);
    if (!isDialled && host !== undefined) this.#leaveHost(host);
    connection.waiting = [];
    if (reason === "ended") {
      this.#reopenFlow();
      return;
    }
    if (wasDialling) {
      const isFault = isPeersFault(reason);
      if (isFault) this.#backOff.onFailed(nowMs, path.remote.key);
      for (const { tag } of waiting)
        this.#refuse(
          path.remote,
          tag,
          isFault ? "unreachable" : reason === "noResources" ? "queueFull" : "closed",
        );
    } else this.#sink?.sendFailed(path.remote, undefined, "closed");
    this.#reopenFlow();
  }

  #leaveHost(host: string): void {
    const left = (this.#perHost.get(host) as number) - 1;
    if (left > 0) this.#perHost.set(host, left);
    else this.#perHost.delete(host);
  }

  #checkClosed(): void {
    if (this.#onClosed === undefined) return;
    if (this.#dialled.size + this.#accepted.size + this.#ending.size > 0) return;
    const onClosed = this.#onClosed;
    this.#onClosed = undefined;
    onClosed();
  }
}
