import { defaultLimits, type NodeEvent, type QueryOptions } from "@kad/core";
import type { CommandName } from "../machine-layer.ts";
import type { CommandCall, HostChange } from "../observer.ts";
import type { SimHost } from "../sim-host.ts";
import type { Simulation } from "../simulation.ts";
import type { InstantUs } from "../virtual-time.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/** Where each command that begins a query has its options. */
const optionsAt: Partial<Record<CommandName, number>> = {
  bootstrap: 1,
  ping: 1,
  findNode: 1,
  get: 1,
  put: 1,
  announce: 2,
  withdraw: 1,
  findProviders: 1,
  send: 3,
};

/** A query that is over by now, but whose timer shares an instant with the check. */
const slackMs = 1_000;

interface Begun {
  readonly name: CommandName;
  /** On the host's clock. */
  readonly endsByMs: number;
}

/** Ids of queries are never used twice; each ends in exactly one `queryFinished`, no later than its deadline. */
export class QueryChecker implements Checker {
  readonly rule = "every query ends exactly once, and in time";
  readonly #begun = new Map<SimHost, Map<unknown, Begun>>();
  readonly #last = new Map<SimHost, number>();
  /** Since when a host has run without a stop. */
  readonly #runsSinceUs = new Map<SimHost, InstantUs>();

  onHost(nowUs: InstantUs, host: SimHost, change: HostChange): void {
    if (change === "started" || change === "resumed" || change === "woke") this.#runsSinceUs.set(host, nowUs);
    if (change === "started") {
      this.#begun.set(host, new Map());
      this.#last.set(host, 0);
    }
    if (change === "closed") {
      const open = [...(this.#begun.get(host) ?? [])].map(([id, { name }]) => `${name} ${String(id)}`);
      if (open.length > 0)
        throw new CheckFailed(this.rule, host, `closed, and these never ended: ${open.join(", ")}`);
    }
  }

  onCommand(_nowUs: InstantUs, host: SimHost, { name, args, result }: CommandCall): void {
    const place = optionsAt[name];
    if (place === undefined) return;
    const last = this.#last.get(host) ?? 0;
    if (typeof result !== "number" || result <= last)
      throw new CheckFailed(this.rule, host, `began ${name} as query ${String(result)} after query ${last}`);
    const options = args[place] as QueryOptions | undefined;
    const timeoutMs = options?.timeoutMs ?? host.limits.queryTimeoutMs ?? defaultLimits.queryTimeoutMs;
    this.#last.set(host, result);
    this.#begun.get(host)?.set(result, { name, endsByMs: host.nowMs + timeoutMs });
  }

  onEvent(_nowUs: InstantUs, host: SimHost, event: NodeEvent): void {
    if (event.type !== "queryFinished" && event.type !== "queryProgressed") return;
    const begun = this.#begun.get(host);
    if (begun?.has(event.query) !== true) {
      const what = event.type === "queryFinished" ? "ended" : "progressed";
      throw new CheckFailed(this.rule, host, `query ${event.query} ${what}, which is not under way`);
    }
    if (event.type === "queryFinished") begun.delete(event.query);
  }

  check(simulation: Simulation): void {
    for (const [host, begun] of this.#begun) {
      const ranForUs = simulation.nowUs - (this.#runsSinceUs.get(host) ?? 0);
      if (host.state !== "up" || ranForUs < 1_000 * slackMs) continue;
      for (const [id, { name, endsByMs }] of begun) {
        const lateMs = host.nowMs - endsByMs;
        if (lateMs > slackMs)
          throw new CheckFailed(
            this.rule,
            host,
            `${name}, query ${String(id)}, should have ended ${lateMs} ms ago`,
          );
      }
    }
  }
}
