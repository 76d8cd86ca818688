/**
 * Watches a machine and what carries its messages, and knows what would be left undone if the loop fell asleep now:
 * messages not polled, events not handed out, or a batch not flushed. A loop that sleeps over them sleeps until somebody
 * else wakes it.
 */
import type { SendOutcome, Transport } from "@kad/core";
import type { CommandedMachine } from "./commanded-machine.ts";
import { intercept } from "./intercept.ts";

/** Calls after which there may be something to send or to tell. */
const inputs = [
  "handleNetworkEvent",
  "handleTimeout",
  "close",
  "bootstrap",
  "ping",
  "findNode",
  "get",
  "put",
  "announce",
  "withdraw",
  "findProviders",
  "send",
  "reply",
  "cancel",
  "addContact",
] as const satisfies readonly (keyof CommandedMachine)[];

export class UnsentWatch {
  #unpolled: string | undefined;
  #untold: string | undefined;
  #unflushed = 0;

  /** What would be left undone, in words; `undefined`: nothing, the loop may sleep. */
  get unsent(): string | undefined {
    if (this.#unpolled !== undefined) return `messages after ${this.#unpolled} were not polled to the end`;
    if (this.#untold !== undefined) return `events after ${this.#untold} were not handed out to the end`;
    return this.#unflushed === 0 ? undefined : `${this.#unflushed} messages were not flushed`;
  }

  /** Something has happened, named by `what`, after which there may be something to send or to tell. */
  note(what: string): void {
    this.#unpolled = what;
    this.#untold = what;
  }

  /** The machine to give to the driver, and to call commands on. */
  machine<M extends CommandedMachine>(machine: M): M {
    const watching: Partial<CommandedMachine> = {
      pollTransmit: (nowMs, into) => {
        const transmit = machine.pollTransmit(nowMs, into);
        if (transmit === undefined) this.#unpolled = undefined;
        return transmit;
      },
      pollEvent: () => {
        const event = machine.pollEvent();
        if (event === undefined) this.#untold = undefined;
        return event;
      },
    };
    for (const name of inputs) Object.assign(watching, { [name]: this.#noting(machine, name) });
    return intercept(machine, watching as Partial<M>);
  }

  transport<T extends Transport>(transport: T): T {
    const watching: Pick<Transport, "send" | "flush"> = {
      send: (transmit, bytes): SendOutcome => {
        this.#unflushed++;
        return transport.send(transmit, bytes);
      },
      flush: () => {
        this.#unflushed = 0;
        transport.flush();
      },
    };
    return intercept(transport, watching as Partial<T>);
  }

  #noting(machine: CommandedMachine, name: (typeof inputs)[number]): (...args: never[]) => unknown {
    const call = machine[name] as (...args: never[]) => unknown;
    return (...args) => {
      this.note(name);
      return call.apply(machine, args);
    };
  }
}
