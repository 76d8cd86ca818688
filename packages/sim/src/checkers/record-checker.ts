import type { DhtRecord, QueryOptions, RecordKey } from "@kad/core";
import type { CommandCall, HostChange } from "../observer.ts";
import type { Packet } from "../packet.ts";
import type { SimHost } from "../sim-host.ts";
import { hourMs, type InstantUs, toMs } from "../virtual-time.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/**
 * A lifetime travels in whole seconds, rounded up, counts from when it arrives, and is not written anew when a request is sent
 * again: up to a hard timeout and some more for each time that it is passed on.
 */
const slackMs = 2_000;
const slackPerHopMs = 12_000;
/** A record that is passed on moves at most so often in an hour. */
const hopsPerHour = 2;

interface Published {
  readonly beganMs: number;
  /** When the last copy must be gone, by the true clock. */
  endsMs: number;
  /** Hosts that renew it. */
  readonly keepers: Set<SimHost>;
}

/**
 * No honest host gives a record after its end, nor promises it a longer life than its publisher gave it. Only records that were
 * put through hosts of the simulation are looked at; while somebody keeps one, it has no end.
 */
export class RecordChecker implements Checker {
  readonly rule = "nothing is served after it has expired";
  readonly #published = new Map<string, Published>();
  /** While a host sleeps its clock stands still, and so does what it holds; while it is stopped, what it has begun to send. */
  readonly #stoodMs = new Map<SimHost, { sinceUs: InstantUs | undefined; totalMs: number }>();

  onHost(nowUs: InstantUs, host: SimHost, change: HostChange): void {
    const stood = this.#stoodMs.get(host) ?? { sinceUs: undefined, totalMs: 0 };
    if (change === "slept" || change === "paused") this.#stoodMs.set(host, { ...stood, sinceUs: nowUs });
    if (change === "woke" || change === "resumed") {
      const totalMs = stood.totalMs + toMs(nowUs - (stood.sinceUs ?? nowUs));
      this.#stoodMs.set(host, { sinceUs: undefined, totalMs });
    }
    if (change === "closed" || change === "crashed") this.#endKeeping(nowUs, host);
    // Its own records are renewed again when it comes back with them.
    if (change === "started") this.#beginKeeping(host);
  }

  onCommand(nowUs: InstantUs, host: SimHost, { name, args }: CommandCall): void {
    if (name !== "put") return;
    const [record, options] = args as [DhtRecord, QueryOptions | undefined];
    const { valueLifetimeMs } = host.limits;
    const nowMs = toMs(nowUs);
    const known = this.#published.get(record.key.key);
    const published = known ?? { beganMs: nowMs, endsMs: 0, keepers: new Set<SimHost>() };
    published.endsMs = Math.max(published.endsMs, nowMs + (record.lifetimeMs ?? valueLifetimeMs));
    if (record.lifetimeMs === undefined && options?.keep !== false) published.keepers.add(host);
    this.#published.set(record.key.key, published);
  }

  onSend(nowUs: InstantUs, { from, message }: Packet): void {
    if (!from.host.isHonest || this.#published.size === 0) return;
    const isServed = message.kind === "response" && message.body.type === "value";
    const isPassedOn = message.kind === "request" && message.body.type === "putValue";
    if (!isServed && !isPassedOn) return;
    const { key, lifetimeMs } = (message.body as { record: { key: RecordKey; lifetimeMs: number } }).record;
    const published = this.#published.get(key.key);
    if (published === undefined || published.keepers.size > 0) return;
    const lateMs = toMs(nowUs) + lifetimeMs - published.endsMs;
    if (lateMs > this.#slackMs(toMs(nowUs), published)) {
      const what = isServed ? "serves" : "passes on";
      throw new CheckFailed(this.rule, from.host, `${what} ${key.toHex()} for ${lateMs} ms beyond its end`);
    }
  }

  #slackMs(nowMs: number, { beganMs }: Published): number {
    const hops = 1 + (hopsPerHour * (nowMs - beganMs)) / hourMs;
    let stoodMs = 0;
    for (const { sinceUs, totalMs } of this.#stoodMs.values())
      stoodMs = Math.max(stoodMs, totalMs + (sinceUs === undefined ? 0 : nowMs - toMs(sinceUs)));
    return slackMs + hops * (slackPerHopMs + stoodMs);
  }

  #endKeeping(nowUs: InstantUs, host: SimHost): void {
    for (const published of this.#published.values()) {
      if (!published.keepers.delete(host)) continue;
      published.endsMs = Math.max(published.endsMs, toMs(nowUs) + host.limits.valueLifetimeMs);
    }
  }

  #beginKeeping(host: SimHost): void {
    for (const record of host.store.entries(undefined, 100_000).records) {
      if (record.own === true) this.#published.get(record.key.key)?.keepers.add(host);
    }
  }
}
