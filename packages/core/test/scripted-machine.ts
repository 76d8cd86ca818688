/** What a driver drives, reduced to a script: a test says what it will send and report, and reads what was called. */
import { AddressTable } from "../src/address-table.ts";
import type { Commands } from "../src/commands.ts";
import type { NodeEvent, PluginId, QueryId, TimerId } from "../src/events.ts";
import type { Deadline, InstantMs, Machine, NetworkEvent, Path, Transmit } from "../src/machine.ts";
import { NodeId } from "../src/node-id.ts";
import { resolveLimits } from "../src/options.ts";
import { type InsertOutcome, RoutingTable } from "../src/routing-table.ts";
import type { SocketAddress } from "../src/socket-address.ts";
import type { NodeStats } from "../src/stats.ts";

const addresses: AddressTable = new AddressTable();
export const peerAddress: SocketAddress = addresses.parse("udp://192.0.2.1:4100");
export const peerPath: Path = { remote: peerAddress, dialable: true };
export const peerId: NodeId = NodeId.fromHex("0a");
export const ownId: NodeId = NodeId.fromHex("01");

export interface Scripted {
  readonly tag: number;
  readonly bytes?: readonly number[];
  readonly path?: Path;
  readonly deferred?: true;
}

export type ScriptedCall = NetworkEvent["type"] | "timeout" | keyof Machine<NodeEvent> | keyof Commands;

export class ScriptedMachine implements Machine<NodeEvent>, Commands {
  /** Calls in order, polls that brought nothing left out: `message@5`, `timeout@30`, `transmit 7@30`, `event timer`. */
  readonly trace: string[] = [];
  /** What came in, without what is borrowed. */
  readonly received: NetworkEvent[] = [];
  readonly outgoing: Scripted[] = [];
  readonly events: NodeEvent[] = [];
  readonly id: NodeId = ownId;
  readonly table: RoutingTable = new RoutingTable({
    self: ownId,
    limits: resolveLimits({}),
    groupOf: () => undefined,
  });
  deadline: Deadline | undefined;
  /** Runs at the start of a call, inside the transition; may throw. */
  hooks: { [call in ScriptedCall]?: (() => void) | undefined } = {};
  protocols: readonly string[] = [];
  isClosed = false;
  #lastId = 0;

  get drained(): boolean {
    return this.isClosed && this.outgoing.length === 0 && this.events.length === 0;
  }

  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    this.#enter(event.type, nowMs);
    this.received.push(event);
  }

  /** Its deadline has passed once this is called in time. */
  handleTimeout(nowMs: InstantMs): void {
    this.#enter("timeout", nowMs);
    if (this.deadline !== undefined && this.deadline.atMs <= nowMs) this.deadline = undefined;
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.hooks.pollTransmit?.();
    const next = this.outgoing.shift();
    if (next === undefined) return undefined;
    this.trace.push(`transmit ${next.tag}@${nowMs}`);
    const bytes = next.bytes ?? [];
    into.set(bytes);
    const transmit = { path: next.path ?? peerPath, peer: undefined, length: bytes.length, tag: next.tag };
    return next.deferred === undefined ? transmit : { ...transmit, deferred: next.deferred };
  }

  pollEvent(): NodeEvent | undefined {
    this.hooks.pollEvent?.();
    const event = this.events.shift();
    if (event !== undefined) this.trace.push(`event ${event.type}`);
    return event;
  }

  nextDeadline(): Deadline | undefined {
    this.hooks.nextDeadline?.();
    return this.deadline;
  }

  close(nowMs: InstantMs): void {
    this.#enter("close", nowMs);
    this.isClosed = true;
    this.deadline = undefined;
  }

  bootstrap(nowMs: InstantMs): QueryId {
    return this.#command("bootstrap", nowMs);
  }
  ping(nowMs: InstantMs): QueryId {
    return this.#command("ping", nowMs);
  }
  findNode(nowMs: InstantMs): QueryId {
    return this.#command("findNode", nowMs);
  }
  get(nowMs: InstantMs): QueryId {
    return this.#command("get", nowMs);
  }
  put(nowMs: InstantMs): QueryId {
    return this.#command("put", nowMs);
  }
  announce(nowMs: InstantMs): QueryId {
    return this.#command("announce", nowMs);
  }
  withdraw(nowMs: InstantMs): QueryId {
    return this.#command("withdraw", nowMs);
  }
  findProviders(nowMs: InstantMs): QueryId {
    return this.#command("findProviders", nowMs);
  }
  send(nowMs: InstantMs): QueryId {
    return this.#command("send", nowMs);
  }
  reply(nowMs: InstantMs): boolean {
    this.#command("reply", nowMs);
    return true;
  }
  cancel(nowMs: InstantMs): boolean {
    this.#enter("cancel", nowMs);
    return true;
  }
  addContact(nowMs: InstantMs): InsertOutcome {
    this.#enter("addContact", nowMs);
    return { type: "inserted" };
  }
  setTimer(nowMs: InstantMs, delayMs: number, _plugin: PluginId): TimerId {
    this.#enter("setTimer", nowMs);
    this.deadline = { atMs: nowMs + delayMs, reason: "timer" };
    return ++this.#lastId;
  }
  clearTimer(timer: TimerId): boolean {
    this.trace.push(`clearTimer ${timer}`);
    return true;
  }
  setProtocols(names: readonly string[]): void {
    this.hooks.setProtocols?.();
    this.protocols = names;
  }
  stats(): NodeStats {
    return { messagesSent: this.#lastId } as unknown as NodeStats;
  }

  /** Each command makes one transmit, whose tag is the query's id. */
  #command(name: ScriptedCall, nowMs: InstantMs): QueryId {
    this.#enter(name, nowMs);
    this.outgoing.push({ tag: ++this.#lastId });
    return this.#lastId;
  }

  #enter(call: ScriptedCall, nowMs: InstantMs): void {
    this.trace.push(`${call}@${nowMs}`);
    this.hooks[call]?.();
  }
}
