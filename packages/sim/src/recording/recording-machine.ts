import {
  type Deadline,
  type InstantMs,
  KadNode,
  type NetworkEvent,
  type NodeEvent,
  type NodeOptions,
  type TimerId,
  type Transmit,
} from "@kad/core";
import { checksumOf } from "../checksum.ts";
import { type CommandArguments, type CommandName, MachineLayer, type NodeMachine } from "../machine-layer.ts";
import type { CallLog } from "./call-log.ts";
import type { Json, RecordedCall } from "./format.ts";
import { describeError } from "./values.ts";

/** A machine around one that was made from what `log.watch` returned: all calls go to the log, with what comes of them. */
export function record(machine: NodeMachine, log: CallLog): NodeMachine {
  return new RecordingMachine(machine, log);
}

/** A node with a recording around it; for wherever a node's machine is made from options. */
export function recordedNode(options: NodeOptions, log: CallLog): NodeMachine {
  return record(new KadNode(log.watch(options)), log);
}

class RecordingMachine extends MachineLayer {
  readonly #log: CallLog;
  #lastDeadline: string | undefined;

  constructor(inner: NodeMachine, log: CallLog) {
    super(inner);
    this.#log = log;
    log.begin();
  }

  override handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    this.#call({ c: "networkEvent", t: nowMs, a: [event] }, () => super.handleNetworkEvent(nowMs, event));
  }

  override handleTimeout(nowMs: InstantMs): void {
    this.#call({ c: "timeout", t: nowMs }, () => super.handleTimeout(nowMs));
  }

  override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    return this.#call(
      { c: "poll", t: nowMs, a: [into.length] },
      () => super.pollTransmit(nowMs, into),
      (transmit) => transmit && { ...transmit, checksum: checksumOf(into.subarray(0, transmit.length)) },
    );
  }

  override pollEvent(): NodeEvent | undefined {
    return this.#call({ c: "event" }, () => super.pollEvent());
  }

  /** Asked often, and mostly the same. */
  override nextDeadline(): Deadline | undefined {
    const deadline = super.nextDeadline();
    if (!this.#log.open()) return deadline;
    const r = this.#log.json(deadline);
    const text = JSON.stringify(r);
    if (text !== this.#lastDeadline) this.#log.write({ c: "deadline", r });
    this.#lastDeadline = text;
    return deadline;
  }

  override close(nowMs: InstantMs): void {
    this.#call({ c: "close", t: nowMs }, () => super.close(nowMs));
  }

  override setProtocols(names: readonly string[]): void {
    this.#call({ c: "setProtocols", a: [names] }, () => super.setProtocols(names));
  }

  override clearTimer(timer: TimerId): boolean {
    return this.#call({ c: "clearTimer", a: [timer] }, () => super.clearTimer(timer));
  }

  protected override command<K extends CommandName>(
    name: K,
    nowMs: InstantMs,
    args: CommandArguments<K>,
  ): ReturnType<NodeMachine[K]> {
    return this.#call({ c: name, t: nowMs, a: args }, () => super.command(name, nowMs, args));
  }

  #call<T>(
    { a, ...rest }: { readonly c: string; readonly t?: number; readonly a?: readonly unknown[] },
    act: () => T,
    shown: (result: T) => unknown = (result) => result,
  ): T {
    const log = this.#log;
    if (!log.open()) return act();
    // Before the call: what is given may be borrowed.
    const call: RecordedCall = a === undefined ? rest : { ...rest, a: log.json(a) as readonly Json[] };
    let result: T;
    try {
      result = act();
    } catch (error) {
      log.write({ ...call, r: { $error: describeError(error) } });
      throw error;
    }
    const r = log.json(shown(result));
    log.write(r === null ? call : { ...call, r });
    return result;
  }
}
