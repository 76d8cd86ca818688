/**
 * A machine that plays a trace inside an event loop: it gives the node of the trace the instants and addresses of the
 * trace, and the loop its own. The loop decides when something is called; what the node hears and says must be as written.
 *
 * One input at a time: the node is called for the input, then polled until it has nothing to say. What the loop calls
 * beside that, at whatever time, does not reach it, since a poll is a transition too.
 */
import {
  type Address,
  type InstantMs,
  type NetworkEvent,
  type NodeEvent,
  type Path,
  type Transmit,
  toHex,
} from "@kad/core";
import type { CommandedMachine } from "../commanded-machine.ts";
import { intercept } from "../intercept.ts";
import type { MachinePlayer } from "./machine-player.ts";
import { plainOf } from "./plain.ts";
import type { TraceStep, TraceTransmit } from "./trace.ts";

export class Lockstep {
  /** For the loop. */
  readonly machine: CommandedMachine;
  /** Where everything that the node says goes to: the trace's addresses exist nowhere. */
  peer: Address | undefined;
  readonly #player: MachinePlayer;
  #step: TraceStep | undefined;
  /** `waiting`: the input has not reached the node yet; `polling`: it may have more to say. */
  #state: "idle" | "waiting" | "polling" | "telling" = "idle";
  #dueAtMs: InstantMs = 0;
  #sent: TraceTransmit[] = [];
  #events: unknown[] = [];

  constructor(player: MachinePlayer) {
    this.#player = player;
    const node = player.machine;
    this.machine = intercept<CommandedMachine>(node, {
      handleNetworkEvent: (_nowMs, event) => this.#onNetworkEvent(event),
      handleTimeout: (nowMs) => {
        if (this.#step?.input.type === "timeout" && nowMs >= this.#dueAtMs) this.#apply();
      },
      pollTransmit: (_nowMs, into) => this.#pollTransmit(into),
      pollEvent: () => this.#pollEvent(),
      nextDeadline: () => {
        const isWaiting = this.#state === "waiting" && this.#step?.input.type === "timeout";
        return isWaiting ? { atMs: this.#dueAtMs, reason: "trace" } : undefined;
      },
      close: () => {
        if (this.#step?.input.type === "close") this.#apply();
        else node.close(this.#step?.atMs ?? 0);
      },
    });
  }

  /** Makes the next input the one that is waited for. A timeout is due at an instant of the loop's own. */
  begin(step: TraceStep, dueAtMs: InstantMs): void {
    this.#step = step;
    this.#dueAtMs = dueAtMs;
    this.#state = "waiting";
    this.#sent = [];
    this.#events = [];
  }

  /** Whether the input has reached the node, and all that it had to say has been polled. */
  get isDone(): boolean {
    return this.#state === "idle";
  }

  /** The step as it has turned out. */
  outcome(returns: unknown): TraceStep {
    const { atMs, input } = this.#step as TraceStep;
    return {
      atMs,
      input,
      ...(returns === undefined ? {} : { returns: plainOf(returns) }),
      sent: this.#sent,
      events: this.#events,
      deadlineMs: this.#player.machine.nextDeadline()?.atMs ?? null,
    };
  }

  /** Gives the waiting command, or the event of a transport, to the node; for the driver's `run` and `deliver`. */
  command(): unknown {
    return this.#apply();
  }

  #onNetworkEvent(event: NetworkEvent): void {
    const { input } = this.#step ?? {};
    if (this.#state !== "waiting" || input?.type !== event.type) return; // of the loop's own: its addresses, its clock
    if (event.type !== "message" || input.type !== "message") {
      this.#apply();
      return;
    }
    // The bytes that have really arrived, from where the trace says.
    const from = this.#player.eventOf(input) as { readonly from: Path };
    this.#state = "polling";
    this.#player.machine.handleNetworkEvent(this.#step?.atMs ?? 0, { ...event, from: from.from });
  }

  #apply(): unknown {
    if (this.#state !== "waiting" || this.#step === undefined) return undefined;
    this.#state = "polling";
    return this.#player.apply(this.#step.atMs, this.#step.input);
  }

  #pollTransmit(into: Uint8Array): Transmit | undefined {
    if (this.#state !== "polling" || this.#step === undefined) return undefined;
    const transmit = this.#player.machine.pollTransmit(this.#step.atMs, into);
    if (transmit === undefined) {
      this.#state = "telling";
      return undefined;
    }
    const { path, tag, length } = transmit;
    this.#sent.push({ to: path.remote.key, tag, hex: toHex(into.subarray(0, length)) });
    return { ...transmit, path: { ...path, remote: this.peer ?? path.remote } };
  }

  #pollEvent(): NodeEvent | undefined {
    if (this.#state !== "telling") return undefined;
    const event = this.#player.machine.pollEvent();
    if (event === undefined) this.#state = "idle";
    else this.#events.push(plainOf(event));
    return event;
  }
}
