/**
 * Timers that plugins set on the node's own queue, so that no plugin needs a loop of its own.
 */
import { UsageError } from "./errors.ts";
import type { EventQueue } from "./event-queue.ts";
import type { PluginId, TimerId } from "./events.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";
import { CallbackTimer, type Timer, type TimerQueue } from "./timers.ts";

const longestMs = 30 * 24 * 3_600_000;

interface PluginTimerEntry {
  readonly timer: Timer;
  readonly plugin: PluginId;
}

export interface PluginTimersOptions {
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  readonly events: Pick<EventQueue, "push">;
}

export class PluginTimers {
  readonly #options: PluginTimersOptions;
  readonly #set = new LeanMap<TimerId, PluginTimerEntry>();
  readonly #perPlugin = new LeanMap<PluginId, number>();
  #lastId = 0;

  constructor(options: PluginTimersOptions) {
    this.#options = options;
  }

  /** Timers of the plugin that has set the most. */
  get most(): number {
    return Math.max(0, ...this.#perPlugin.values());
  }

  /** @throws UsageError `invalidArgument` for a delay out of range, `tooMany` past the plugin's cap */
  set(nowMs: InstantMs, delayMs: number, plugin: PluginId): TimerId {
    if (!(delayMs >= 0 && delayMs <= longestMs)) {
      throw new UsageError("invalidArgument", `delayMs: ${delayMs}; allowed is 0 to ${longestMs} ms`);
    }
    const { maxTimersPerPlugin } = this.#options.limits;
    const count = this.#perPlugin.get(plugin) ?? 0;
    if (count >= maxTimersPerPlugin) {
      throw new UsageError(
        "tooMany",
        `timers of plugin ${plugin}: ${count}; allowed are ${maxTimersPerPlugin}`,
      );
    }
    const id = ++this.#lastId;
    const timer = new CallbackTimer("plugin", () => {
      this.#forget(id, plugin);
      this.#options.events.push({ type: "timer", timer: id, plugin });
    });
    this.#set.set(id, { timer, plugin });
    this.#perPlugin.set(plugin, count + 1);
    this.#options.timers.set(timer, nowMs + delayMs);
    return id;
  }

  /** `false`: fired or cleared already. */
  clear(id: TimerId): boolean {
    const entry = this.#set.get(id);
    if (entry === undefined) return false;
    this.#options.timers.clear(entry.timer);
    this.#forget(id, entry.plugin);
    return true;
  }

  clearAll(): void {
    for (const id of [...this.#set.keys()]) this.clear(id);
  }

  #forget(id: TimerId, plugin: PluginId): void {
    this.#set.delete(id);
    const left = (this.#perPlugin.get(plugin) as number) - 1;
    if (left > 0) this.#perPlugin.set(plugin, left);
    else this.#perPlugin.delete(plugin);
  }
}
