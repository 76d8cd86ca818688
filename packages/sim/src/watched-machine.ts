/** Tells observers of every command that a node is given, whoever gives it: a test, a plugin, a layer above. */
import type { Commands, InstantMs } from "@kad/core";
import { type CommandArguments, type CommandName, MachineLayer, type NodeMachine } from "./machine-layer.ts";
import type { CommandCall } from "./observer.ts";

export class WatchedMachine extends MachineLayer {
  readonly #onCommand: (call: CommandCall) => void;

  constructor(inner: NodeMachine, onCommand: (call: CommandCall) => void) {
    super(inner);
    this.#onCommand = onCommand;
  }

  protected override command<K extends CommandName>(
    name: K,
    nowMs: InstantMs,
    args: CommandArguments<K>,
  ): ReturnType<Commands[K]> {
    const result = super.command(name, nowMs, args);
    this.#onCommand({ name, args, result });
    return result;
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
