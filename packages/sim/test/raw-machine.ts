/** A machine that sends what a test hands it, and keeps what arrives: for tests of what is between hosts. */
import { type Address, type InstantMs, KadNode, type NetworkEvent, type Transmit } from "@kad/core";
import type { HostOptions } from "../src/index.ts";
import { MachineLayer, type SimHost, type Simulation } from "../src/index.ts";

interface Arrival {
  readonly atMs: InstantMs;
  readonly from: string;
  readonly bytes: Uint8Array;
}

export class RawMachine extends MachineLayer {
  readonly outbox: { readonly to: Address; readonly bytes: Uint8Array }[] = [];
  readonly inbox: Arrival[] = [];
  readonly events: NetworkEvent[] = [];
  /** The very buffers that were handed in, of which nobody may keep a view. */
  readonly borrowed: Uint8Array[] = [];

  override handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    if (event.type !== "message") {
      this.events.push(event);
      super.handleNetworkEvent(nowMs, event);
      return;
    }
    this.borrowed.push(event.bytes);
    this.inbox.push({ atMs: nowMs, from: event.from.remote.key, bytes: new Uint8Array(event.bytes) });
  }

  override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const next = this.outbox.shift();
    if (next === undefined) return super.pollTransmit(nowMs, into);
    into.set(next.bytes);
    return { path: { remote: next.to, dialable: true }, peer: undefined, length: next.bytes.length, tag: 0 };
  }
}

export type RawHost = SimHost<RawMachine>;

export function addRaw(simulation: Simulation, options: HostOptions<RawMachine> = {}): RawHost {
  return simulation.addHost<RawMachine>({ machine: (node) => new RawMachine(new KadNode(node)), ...options });
}

/** Sends one message; text for short. */
export function sendRaw(from: RawHost, to: Address, message: string | Uint8Array): void {
  const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
  from.run((node) => node.outbox.push({ to, bytes }));
}

export function heardBy(host: RawHost): string[] {
  return host.node.inbox.map(({ bytes }) => new TextDecoder().decode(bytes));
}
