/**
 * A machine around a machine that hands everything on: what watches, records or corrupts a node extends it.
 */
import type {
  Commands,
  Deadline,
  InstantMs,
  Machine,
  NetworkEvent,
  NodeEvent,
  NodeId,
  NodeStats,
  QueryId,
  ReadonlyRoutingTable,
  TimerId,
  Transmit,
} from "@kad/core";

/** What a driver drives. */
export type NodeMachine = Machine<NodeEvent> & Commands;

/** The commands that take an instant. */
export type CommandName = {
  [K in keyof Commands]: Commands[K] extends (nowMs: InstantMs, ...rest: never[]) => unknown ? K : never;
}[keyof Commands];

/** What a command takes, without the instant. */
export type CommandArguments<K extends CommandName> = Commands[K] extends (
  nowMs: InstantMs,
  ...rest: infer R
) => unknown
  ? R
  : never;

/** Every method may be overridden; for all commands with an instant at once, `command` is the one. */
export class MachineLayer implements Machine<NodeEvent>, Commands {
  protected readonly inner: NodeMachine;

  constructor(inner: NodeMachine) {
    this.inner = inner;
  }

  get id(): NodeId {
    return this.inner.id;
  }

  get table(): ReadonlyRoutingTable {
    return this.inner.table;
  }

  get drained(): boolean {
    return this.inner.drained;
  }

  stats(): NodeStats {
    return this.inner.stats();
  }

  handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    this.inner.handleNetworkEvent(nowMs, event);
  }

  handleTimeout(nowMs: InstantMs): void {
    this.inner.handleTimeout(nowMs);
  }

  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    return this.inner.pollTransmit(nowMs, into);
  }

  pollEvent(): NodeEvent | undefined {
    return this.inner.pollEvent();
  }

  nextDeadline(): Deadline | undefined {
    return this.inner.nextDeadline();
  }

  close(nowMs: InstantMs): void {
    this.inner.close(nowMs);
  }

  setProtocols(names: readonly string[]): void {
    this.inner.setProtocols(names);
  }

  clearTimer(timer: TimerId): boolean {
    return this.inner.clearTimer(timer);
  }

  bootstrap(nowMs: InstantMs, ...args: CommandArguments<"bootstrap">): QueryId {
    return this.command("bootstrap", nowMs, args);
  }

  ping(nowMs: InstantMs, ...args: CommandArguments<"ping">): QueryId {
    return this.command("ping", nowMs, args);
  }

  findNode(nowMs: InstantMs, ...args: CommandArguments<"findNode">): QueryId {
    return this.command("findNode", nowMs, args);
  }

  get(nowMs: InstantMs, ...args: CommandArguments<"get">): QueryId {
    return this.command("get", nowMs, args);
  }

  put(nowMs: InstantMs, ...args: CommandArguments<"put">): QueryId {
    return this.command("put", nowMs, args);
  }

  announce(nowMs: InstantMs, ...args: CommandArguments<"announce">): QueryId {
    return this.command("announce", nowMs, args);
  }

  withdraw(nowMs: InstantMs, ...args: CommandArguments<"withdraw">): QueryId {
    return this.command("withdraw", nowMs, args);
  }

  findProviders(nowMs: InstantMs, ...args: CommandArguments<"findProviders">): QueryId {
    return this.command("findProviders", nowMs, args);
  }

  send(nowMs: InstantMs, ...args: CommandArguments<"send">): QueryId {
    return this.command("send", nowMs, args);
  }

  reply(nowMs: InstantMs, ...args: CommandArguments<"reply">): boolean {
    return this.command("reply", nowMs, args);
  }

  cancel(nowMs: InstantMs, ...args: CommandArguments<"cancel">): boolean {
    return this.command("cancel", nowMs, args);
  }

  addContact(nowMs: InstantMs, ...args: CommandArguments<"addContact">): ReturnType<Commands["addContact"]> {
    return this.command("addContact", nowMs, args);
  }

  setTimer(nowMs: InstantMs, ...args: CommandArguments<"setTimer">): TimerId {
    return this.command("setTimer", nowMs, args);
  }

  /** All commands with an instant come through here. */
  protected command<K extends CommandName>(
    name: K,
    nowMs: InstantMs,
    args: CommandArguments<K>,
  ): ReturnType<Commands[K]> {
    const { inner } = this;
    const call = inner[name] as (nowMs: InstantMs, ...rest: unknown[]) => unknown;
    return call.call(inner, nowMs, ...(args as unknown[])) as ReturnType<Commands[K]>;
  }
}
