/**
 * The plugins of a driver: who gets which event, and what becomes of a callback that fails.
 *
 * A callback that throws or rejects reaches its own plugin's `onError` and then the host's `report`; the others never
 * notice. A plugin that is removed loses its protocol, its timers and its context at once.
 */
import type { Commands, FindProvidersOptions, QueryOptions } from "./commands.ts";
import type { Contact, Seed } from "./contact.ts";
import { CallbackError, type KadError, UsageError } from "./errors.ts";
import type {
  ApplicationMessage,
  NodeEvent,
  PluginId,
  PluginTimer,
  QueryId,
  ReplyToken,
  TimerId,
} from "./events.ts";
import { LeanMap, LeanSet } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { Plugin, PluginContext } from "./plugin.ts";
import type { Announcement } from "./provider.ts";
import type { DhtRecord, RecordKey } from "./record.ts";
import type { InsertOutcome } from "./routing-table.ts";
import type { Gauge, NodeStats } from "./stats.ts";

/** What the registry needs of a driver. */
export interface PluginRuntime {
  readonly commands: Commands;
  run<T>(command: (nowMs: InstantMs) => T): T;
  /** Tells the node something that nobody waits for; does nothing once the node has failed. */
  tell(message: () => void): void;
  nowMs(): InstantMs;
  report(error: unknown): void;
}

/** More plugins than that in one node are a leak. */
const maxPlugins = 256;

const protocolName = /^[!-~]{1,64}$/;

export class PluginRegistry {
  readonly #runtime: PluginRuntime;
  /** Replaced, never changed, so that a plugin may come or go while an event is being handed round. */
  #plugins: readonly AttachedPlugin[] = [];
  readonly #byId = new LeanMap<PluginId, AttachedPlugin>();
  readonly #byProtocol = new LeanMap<string, AttachedPlugin>();
  #lastId = 0;
  #unclaimedMessages = 0;

  constructor(runtime: PluginRuntime) {
    this.#runtime = runtime;
  }

  /** Messages whose plugin was removed between arrival and delivery. */
  get unclaimedMessages(): number {
    return this.#unclaimedMessages;
  }

  get gauge(): Gauge {
    return { used: this.#plugins.length, limit: maxPlugins };
  }

  /**
   * Attaches a plugin and calls its `onAttach`. The returned function removes it; later calls of that do nothing.
   * @throws UsageError `invalidArgument` for a protocol that another plugin has or that is no name, `tooMany` beyond 256
   */
  add(plugin: Plugin): () => void {
    const { protocol } = plugin;
    if (protocol !== undefined) this.#checkProtocol(protocol);
    if (this.#plugins.length >= maxPlugins)
      throw new UsageError("tooMany", `a node has at most ${maxPlugins} plugins`);
    const attached = new AttachedPlugin(++this.#lastId, plugin, this.#runtime);
    this.#plugins = [...this.#plugins, attached];
    this.#byId.set(attached.pluginId, attached);
    if (protocol !== undefined) {
      this.#byProtocol.set(protocol, attached);
      this.#tellProtocols();
    }
    attached.call("onAttach", attached);
    return () => this.#remove(attached, protocol);
  }

  /** Hands an event to those whom it concerns. Never throws. */
  dispatch(event: NodeEvent): void {
    switch (event.type) {
      case "messageReceived":
        this.#onMessage(event);
        break;
      case "timer":
        this.#byId.get(event.plugin)?.onTimer(event);
        break;
      case "requestTimedOut":
        for (const attached of this.#plugins) attached.call("onTimeout", event);
        break;
      case "nodeDiscovered":
        for (const attached of this.#plugins) attached.call("onNodeDiscovered", event.contact);
        break;
      case "queryFinished":
        for (const attached of this.#plugins) attached.call("onQueryFinished", event);
        break;
      case "error":
        this.#onError(event.error);
        break;
      case "queryProgressed":
      case "peerMisbehaved":
        break;
    }
  }

  #onMessage(message: ApplicationMessage): void {
    const attached = this.#byProtocol.get(message.protocol);
    if (attached === undefined) this.#unclaimedMessages++;
    else attached.receive(message);
  }

  /** An error that no plugin listens for goes to the host. */
  #onError(error: KadError): void {
    const listeners = this.#plugins.filter((attached) => attached.listensForErrors);
    for (const attached of listeners) attached.call("onError", error);
    if (listeners.length === 0) this.#runtime.report(error);
  }

  #remove(attached: AttachedPlugin, protocol: string | undefined): void {
    if (!this.#byId.delete(attached.pluginId)) return;
    this.#plugins = this.#plugins.filter((other) => other !== attached);
    if (protocol !== undefined) {
      this.#byProtocol.delete(protocol);
      this.#tellProtocols();
    }
    attached.detach();
  }

  #checkProtocol(protocol: string): void {
    if (typeof protocol !== "string" || !protocolName.test(protocol)) {
      const given = String(protocol).slice(0, 80);
      throw new UsageError(
        "invalidArgument",
        `protocol "${given}": allowed are 1 to 64 printable ASCII characters`,
      );
    }
    if (this.#byProtocol.has(protocol)) {
      throw new UsageError(
        "invalidArgument",
        `protocol "${protocol}": another plugin has it; one plugin for each name`,
      );
    }
  }

  #tellProtocols(): void {
    const names = [...this.#byProtocol.keys()];
    this.#runtime.tell(() => this.#runtime.commands.setProtocols(names));
  }
}

type CallbackName = keyof { [K in keyof Plugin as K extends `on${string}` ? K : never]: Plugin[K] };
type CallbackArgument<K extends CallbackName> = Parameters<NonNullable<Plugin[K]>>[0];

/** One plugin in its place, and its context. */
class AttachedPlugin implements PluginContext {
  readonly pluginId: PluginId;
  readonly #plugin: Plugin;
  readonly #runtime: PluginRuntime;
  /** Those not yet due; the node bounds them. */
  readonly #timers = new LeanSet<TimerId>();
  #attached = true;

  constructor(pluginId: PluginId, plugin: Plugin, runtime: PluginRuntime) {
    this.pluginId = pluginId;
    this.#plugin = plugin;
    this.#runtime = runtime;
  }

  bootstrap(seeds: readonly Seed[], options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.bootstrap(nowMs, seeds, options));
  }

  ping(to: Seed, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.ping(nowMs, to, options));
  }

  findNode(target: NodeId, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.findNode(nowMs, target, options));
  }

  get(key: RecordKey, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.get(nowMs, key, options));
  }

  put(record: DhtRecord, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.put(nowMs, record, options));
  }

  announce(key: RecordKey, announcement?: Announcement, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.announce(nowMs, key, announcement, options));
  }

  withdraw(key: RecordKey, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.withdraw(nowMs, key, options));
  }

  findProviders(key: RecordKey, options?: FindProvidersOptions): QueryId {
    return this.#run((node, nowMs) => node.findProviders(nowMs, key, options));
  }

  send(to: Seed, protocol: string, body: Uint8Array, options?: QueryOptions): QueryId {
    return this.#run((node, nowMs) => node.send(nowMs, to, protocol, body, options));
  }

  reply(token: ReplyToken, body: Uint8Array): boolean {
    return this.#run((node, nowMs) => node.reply(nowMs, token, body));
  }

  cancel(query: QueryId): boolean {
    return this.#run((node, nowMs) => node.cancel(nowMs, query));
  }

  addContact(contact: Contact): InsertOutcome {
    return this.#run((node, nowMs) => node.addContact(nowMs, contact));
  }

  setTimer(delayMs: number): TimerId {
    const timer = this.#run((node, nowMs) => node.setTimer(nowMs, delayMs, this.pluginId));
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: TimerId): boolean {
    if (!this.#timers.delete(timer)) return false; // fired, cleared, or another plugin's
    return this.#run((node) => node.clearTimer(timer));
  }

  stats(): NodeStats {
    return this.#node().stats();
  }

  nowMs(): InstantMs {
    this.#node();
    return this.#runtime.nowMs();
  }

  get id(): PluginContext["id"] {
    return this.#node().id;
  }

  get table(): PluginContext["table"] {
    return this.#node().table;
  }

  get listensForErrors(): boolean {
    return this.#plugin.onError !== undefined;
  }

  /** Nothing happens where the plugin has been removed, or has no such callback. */
  call<K extends CallbackName>(
    name: K,
    argument: CallbackArgument<K>,
    then?: (result: unknown) => void,
  ): void {
    if (!this.#attached) return;
    const plugin = this.#plugin;
    let result: unknown;
    try {
      const callback = plugin[name] as ((argument: CallbackArgument<K>) => unknown) | undefined;
      result = callback?.call(plugin, argument);
    } catch (cause) {
      this.#onFailure(name, cause);
    }
    if (!isThenable(result)) {
      then?.(result);
      return;
    }
    result.then(then, (cause) => {
      this.#onFailure(name, cause);
      then?.(undefined);
    });
  }

  /** A message that was taken and not answered is acknowledged, so that its sender need not wait. */
  receive(message: ApplicationMessage): void {
    this.call("onMessage", message, (result) => {
      if (result !== "later") this.#acknowledge(message);
    });
  }

  onTimer(event: PluginTimer): void {
    this.#timers.delete(event.timer);
    this.call("onTimeout", event);
  }

  detach(): void {
    this.#runtime.tell(() => {
      for (const timer of this.#timers) this.#runtime.commands.clearTimer(timer);
    });
    this.#timers.clear();
    this.#attached = false;
  }

  #acknowledge(message: ApplicationMessage): void {
    try {
      this.#runtime.run((nowMs) => this.#runtime.commands.reply(nowMs, message.reply, new Uint8Array(0)));
    } catch {
      // The node has failed meanwhile: it answers nobody any more.
    }
  }

  #onFailure(name: CallbackName, cause: unknown): void {
    const error = new CallbackError(name, cause);
    if (name !== "onError") this.call("onError", error);
    this.#runtime.report(error);
  }

  #run<T>(command: (node: Commands, nowMs: InstantMs) => T): T {
    const node = this.#node();
    return this.#runtime.run((nowMs) => command(node, nowMs));
  }

  #node(): Commands {
    if (!this.#attached)
      throw new UsageError("closed", "the plugin was removed: its context is no longer valid");
    return this.#runtime.commands;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}
