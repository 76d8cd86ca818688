/**
 * A machine for tests of loops: it sends and tells what the case says, and writes down every call with its instant. Its
 * commands are those of a node that knows nobody.
 */
import {
  type Address,
  type AddressTable,
  type Commands,
  copyBytes,
  type InstantMs,
  type Machine,
  type NetworkEvent,
  type NodeEvent,
  type Path,
  type Transmit,
} from "@kad/core";
import { intercept } from "../../intercept.ts";
import { seededNode } from "../../seeded-node.ts";

export type ProbeCallName = NetworkEvent["type"] | "timeout" | "pollTransmit" | "close";

export interface ProbeCall {
  readonly name: ProbeCallName;
  readonly nowMs: InstantMs;
}

export interface Heard {
  readonly from: Path;
  readonly bytes: Uint8Array;
}

interface Outgoing {
  readonly to: Path;
  readonly bytes: Uint8Array;
}

export class Probe {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly calls: ProbeCall[] = [];
  /** Copies of the messages that came in. */
  readonly heard: Heard[] = [];
  /** What came in beside messages. */
  readonly told: NetworkEvent[] = [];
  readonly outgoing: Outgoing[] = [];
  readonly events: NodeEvent[] = [];
  /** Gone once `handleTimeout` was called in time. */
  deadlineMs: InstantMs | undefined;
  isClosed = false;
  onMessage: (message: Heard) => void = () => {};
  onTimeout: (nowMs: InstantMs) => void = () => {};
  onClose: () => void = () => {};
  /** Asked when there is nothing in `outgoing`. */
  onPoll: () => Outgoing | undefined = () => undefined;

  constructor(addresses: AddressTable, number: number) {
    const isDrained = (): boolean => this.isClosed && this.outgoing.length === 0 && this.events.length === 0;
    this.machine = intercept<Machine<NodeEvent> & Commands>(seededNode(addresses, number), {
      handleNetworkEvent: (nowMs, event) => this.#onNetworkEvent(nowMs, event),
      handleTimeout: (nowMs) => this.#onTimeout(nowMs),
      pollTransmit: (nowMs, into) => this.#pollTransmit(nowMs, into),
      pollEvent: () => this.events.shift(),
      nextDeadline: () =>
        this.deadlineMs === undefined ? undefined : { atMs: this.deadlineMs, reason: "probe" },
      close: (nowMs) => this.#close(nowMs),
      get drained() {
        return isDrained();
      },
    });
  }

  /** Of one kind of call, the instants. */
  at(name: ProbeCallName): InstantMs[] {
    return this.calls.flatMap((call) => (call.name === name ? [call.nowMs] : []));
  }

  count(name: ProbeCallName): number {
    return this.at(name).length;
  }

  /** Queues a message; whoever calls this sees to it that the driver pumps. */
  say(to: Path | Address, bytes: Uint8Array): void {
    this.outgoing.push({ to: "remote" in to ? to : { remote: to, dialable: true }, bytes });
  }

  #onNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    this.#note(event.type, nowMs);
    if (event.type !== "message") {
      this.told.push(event);
      return;
    }
    const message = { from: event.from, bytes: copyBytes(event.bytes) };
    this.heard.push(message);
    this.onMessage(message);
  }

  #onTimeout(nowMs: InstantMs): void {
    if (this.deadlineMs === undefined || this.deadlineMs > nowMs) return;
    this.#note("timeout", nowMs);
    this.deadlineMs = undefined;
    this.onTimeout(nowMs);
  }

  #pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    this.#note("pollTransmit", nowMs);
    const next = this.outgoing.shift() ?? this.onPoll();
    if (next === undefined) return undefined;
    into.set(next.bytes);
    return { path: next.to, peer: undefined, length: next.bytes.length, tag: 0 };
  }

  #close(nowMs: InstantMs): void {
    this.#note("close", nowMs);
    if (this.isClosed) return;
    this.isClosed = true;
    this.deadlineMs = undefined;
    this.onClose();
  }

  #note(name: ProbeCallName, nowMs: InstantMs): void {
    this.calls.push({ name, nowMs });
  }
}
