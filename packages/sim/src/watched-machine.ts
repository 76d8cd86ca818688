/** Tells observers of every command that a node is given, whoever gives it: a test, a plugin, a layer above. */
import { type Commands, type InstantMs, InvariantError, type NetworkEvent, type Transmit } from "@kad/core";
import { type CommandArguments, type CommandName, MachineLayer, type NodeMachine } from "./machine-layer.ts";
import type { CommandCall } from "./observer.ts";

export class WatchedMachine extends MachineLayer {
  readonly #onCommand: (call: CommandCall) => void;
  #lastMs: InstantMs = Number.NEGATIVE_INFINITY;

  constructor(inner: NodeMachine, onCommand: (call: CommandCall) => void) {
    super(inner);
    this.#onCommand = onCommand;
  }

  override handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    super.handleNetworkEvent(this.#seen(nowMs), event);
  }

  override handleTimeout(nowMs: InstantMs): void {
    super.handleTimeout(this.#seen(nowMs));
  }

  override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    return super.pollTransmit(this.#seen(nowMs), into);
  }

  override close(nowMs: InstantMs): void {
    super.close(this.#seen(nowMs));
  }

  protected override command<K extends CommandName>(
    name: K,
    nowMs: InstantMs,
    args: CommandArguments<K>,
  ): ReturnType<Commands[K]> {
    const result = super.command(name, this.#seen(nowMs), args);
    this.#onCommand({ name, args, result });
    return result;
  }

  /** Whoever drives a machine must not let time run backwards. */
  #seen(nowMs: InstantMs): InstantMs {
    if (nowMs < this.#lastMs)
      throw new InvariantError(`time ran backwards, from ${this.#lastMs} to ${nowMs} ms`);
    this.#lastMs = nowMs;
    return nowMs;
  }
}

/** The machine itself, with all that it has beside commands, but for these: they go through what watches it. */
export function facadeOf<M extends NodeMachine>(machine: M, watched: WatchedMachine): M {
  return new Proxy(machine, {
    get(target, name) {
      const owner: object = name in watched ? watched : target;
      const value: unknown = Reflect.get(owner, name, owner);
      return typeof value === "function" ? value.bind(owner) : value;
    },
  });
}
