/**
 * Timers that plugins set on the node's own queue, so that no plugin needs a loop of its own.
 */
import { UsageError } from "./errors.ts";
import type { NodeEvent, PluginId, TimerId } from "./events.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeLimits } from "./options.ts";
import { CallbackTimer, type Timer, type TimerQueue } from "./timers.ts";

const longestMs = 30 * 24 * 3_600_000;

interface PluginTimerEntry {
  readonly timer: Timer;
  readonly plugin: PluginId;
}

export class PluginTimers {
  readonly #limits: NodeLimits;
  readonly #timers: TimerQueue;
  readonly #emit: (event: NodeEvent) => void;
  readonly #set = new LeanMap<TimerId, PluginTimerEntry>();
  readonly #perPlugin = new LeanMap<PluginId, number>();
  #lastId = 0;

  constructor(limits: NodeLimits, timers: TimerQueue, emit: (event: NodeEvent) => void) {
    this.#limits = limits;
    this.#timers = timers;
    this.#emit = emit;
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
    const { maxTimersPerPlugin } = this.#limits;
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
      this.#emit({ type: "timer", timer: id, plugin });
    });
    this.#set.set(id, { timer, plugin });
    this.#perPlugin.set(plugin, count + 1);
    this.#timers.set(timer, nowMs + delayMs);
    return id;
  }

  /** `false`: fired or cleared already. */
  clear(id: TimerId): boolean {
    const entry = this.#set.get(id);
    if (entry === undefined) return false;
    this.#timers.clear(entry.timer);
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
