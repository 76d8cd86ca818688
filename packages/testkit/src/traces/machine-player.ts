/** Plays a trace on a machine, input by input, and says what came out. */
import {
  type Address,
  AddressTable,
  copyBytes,
  type NetworkEvent,
  type NodeEvent,
  NodeId,
  type NodeOptions,
  type SendFailure,
  toHex,
} from "@kad/core";
import type { CommandedMachine } from "../commanded-machine.ts";
import { fromHex } from "../hex.ts";
import { poisonByte } from "../poison.ts";
import { sha256 } from "../sha256.ts";
import { fromPlain, plainOf } from "./plain.ts";
import type { TraceCommand, TraceInput, TraceNode, TraceStep, TraceTransmit } from "./trace.ts";

/** What the node of a trace is built from. */
export function traceNodeOptions(node: TraceNode): NodeOptions & { readonly addresses: AddressTable } {
  const addresses = new AddressTable();
  addresses.setLink("udp4", { link: udpLink, maxBytes: node.maxBytes });
  return {
    id: NodeId.fromHex(node.id),
    mode: node.mode,
    random: { fill: (into) => void into.fill(node.randomByte) },
    sha256,
    addresses,
  };
}

const udpLink = 1;

/** What comes from the network, in a trace. */
type NetworkInput = Exclude<TraceInput, { readonly type: "command" | "timeout" | "close" }>;

/** The names of each command's arguments, in their order after the instant. */
const parametersOf: Readonly<Record<string, readonly string[]>> = {
  bootstrap: ["seeds", "options"],
  ping: ["to", "options"],
  findNode: ["target", "options"],
  get: ["key", "options"],
  put: ["record", "options"],
  announce: ["key", "announcement", "options"],
  withdraw: ["key", "options"],
  findProviders: ["key", "options"],
  send: ["to", "protocol", "body", "options"],
  reply: ["token", "body"],
  cancel: ["query"],
  addContact: ["contact"],
  setTimer: ["delayMs", "plugin"],
};

/** Those without an instant. */
const timeless: Readonly<Record<string, readonly string[]>> = {
  setProtocols: ["names"],
  clearTimer: ["timer"],
};

export class MachinePlayer {
  readonly machine: CommandedMachine;
  readonly #addresses: AddressTable;
  readonly #into: Uint8Array;

  constructor(machine: CommandedMachine, addresses: AddressTable, maxBytes: number) {
    this.machine = machine;
    this.#addresses = addresses;
    this.#into = new Uint8Array(maxBytes);
  }

  /** Hands in one input, and gives the step as it turns out. */
  play(atMs: number, input: TraceInput): TraceStep {
    const returns = this.apply(atMs, input);
    const sent: TraceTransmit[] = [];
    for (;;) {
      const transmit = this.machine.pollTransmit(atMs, this.#into);
      if (transmit === undefined) break;
      const bytes = copyBytes(this.#into, 0, transmit.length);
      this.#into.fill(poisonByte);
      sent.push({ to: transmit.path.remote.key, tag: transmit.tag, hex: toHex(bytes) });
    }
    const events: NodeEvent[] = [];
    for (let event = this.machine.pollEvent(); event !== undefined; event = this.machine.pollEvent()) {
      events.push(event);
    }
    return {
      atMs,
      input,
      ...(returns === undefined ? {} : { returns: plainOf(returns) }),
      sent,
      events: events.map(plainOf),
      deadlineMs: this.machine.nextDeadline()?.atMs ?? null,
    };
  }

  /** Hands in one input; what a command returns. */
  apply(atMs: number, input: TraceInput): unknown {
    if (input.type === "command") return this.#command(atMs, input);
    if (input.type === "timeout") this.machine.handleTimeout(atMs);
    else if (input.type === "close") this.machine.close(atMs);
    else {
      const event = this.eventOf(input);
      this.machine.handleNetworkEvent(atMs, event);
      if (event.type === "message") event.bytes.fill(poisonByte);
    }
    return undefined;
  }

  /** An input from the network as the machine hears it. */
  eventOf(input: NetworkInput): NetworkEvent {
    switch (input.type) {
      case "message":
        return {
          type: "message",
          from: { remote: this.#address(input.from), dialable: true },
          bytes: fromHex(input.hex),
        };
      case "addressesChanged":
        return { type: "addressesChanged", addresses: input.addresses.map((text) => this.#address(text)) };
      case "flow":
        return { type: "flow", link: udpLink, open: input.open };
      case "sendFailed": {
        const { to, tag, reason } = input;
        return {
          type: "sendFailed",
          to: this.#address(to),
          ...(tag === undefined ? {} : { tag }),
          reason: reason as SendFailure,
        };
      }
      case "deferred":
      case "sent":
      case "wallClock":
        return input;
    }
  }

  #command(atMs: number, { command, arguments: given }: TraceCommand): unknown {
    const names = timeless[command] ?? parametersOf[command] ?? [];
    const values = names.map((name) => fromPlain(name, given[name], this.#addresses));
    const call = this.machine[command as "ping"] as (...args: unknown[]) => unknown;
    return call.apply(this.machine, command in timeless ? values : [atMs, ...values]);
  }

  #address(text: string): Address {
    return this.#addresses.parse(text);
  }
}
