/**
 * Who looks on: traces, checkers and measurements. An observer changes nothing, so a run is the same with it and without.
 */
import type { NodeEvent } from "@kad/core";
import type { CommandName } from "./machine-layer.ts";
import type { DropReason, Packet } from "./packet.ts";
import type { SimHost } from "./sim-host.ts";
import type { InstantUs } from "./virtual-time.ts";

/**
 * What became of a host. `started`: its node is new. `closed`: it left as it should. `crashed`: it is gone without a word.
 * `slept` and `woke`: its clock stood still meanwhile. `paused` and `resumed`: its process did, and its clock did not.
 * `moved`: it has other addresses. `stepped`: its wall clock was set. `clogged` and `unclogged`: it cannot send.
 */
export type HostChange =
  | "started"
  | "closed"
  | "crashed"
  | "slept"
  | "woke"
  | "paused"
  | "resumed"
  | "moved"
  | "stepped"
  | "clogged"
  | "unclogged";

/** A command, as a host's machine was given it. */
export interface CommandCall {
  readonly name: CommandName;
  /** Without the instant. */
  readonly args: readonly unknown[];
  /** A query's id, mostly. */
  readonly result: unknown;
}

/** Each is called as things happen; packets are borrowed until the call returns. What one throws ends the run. */
export interface Observer {
  onHost?(nowUs: InstantUs, host: SimHost, change: HostChange): void;
  onCommand?(nowUs: InstantUs, host: SimHost, call: CommandCall): void;
  onSend?(nowUs: InstantUs, packet: Packet): void;
  onDelivery?(nowUs: InstantUs, packet: Packet): void;
  onDrop?(nowUs: InstantUs, packet: Packet, reason: DropReason): void;
  onEvent?(nowUs: InstantUs, host: SimHost, event: NodeEvent): void;
  /** Something that happened outside of hosts: a partition, changed conditions, a phase of a scenario. */
  onNote?(nowUs: InstantUs, text: string): void;
  /** The run has come to its end. */
  onEnd?(nowUs: InstantUs): void;
}

/** Those of one simulation; costs next to nothing while there are none. */
export class Observers implements Required<Observer> {
  readonly #onFailure: (error: unknown) => void;
  #all: readonly Observer[] = [];

  /** @param onFailure gets what an observer throws, which must not end in a node that knows nothing of it */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#all.length;
  }

  /** Somebody wants to hear of commands. */
  get wantsCommands(): boolean {
    return this.#all.some((observer) => observer.onCommand !== undefined);
  }

  add(observer: Observer): () => void {
    this.#all = [...this.#all, observer];
    return () => {
      this.#all = this.#all.filter((other) => other !== observer);
    };
  }

  onHost(nowUs: InstantUs, host: SimHost, change: HostChange): void {
    this.#tell((observer) => observer.onHost?.(nowUs, host, change));
  }

  onCommand(nowUs: InstantUs, host: SimHost, call: CommandCall): void {
    this.#tell((observer) => observer.onCommand?.(nowUs, host, call));
  }

  onSend(nowUs: InstantUs, packet: Packet): void {
    if (this.#all.length > 0) this.#tell((observer) => observer.onSend?.(nowUs, packet));
  }

  onDelivery(nowUs: InstantUs, packet: Packet): void {
    if (this.#all.length > 0) this.#tell((observer) => observer.onDelivery?.(nowUs, packet));
  }

  onDrop(nowUs: InstantUs, packet: Packet, reason: DropReason): void {
    if (this.#all.length > 0) this.#tell((observer) => observer.onDrop?.(nowUs, packet, reason));
  }

  onEvent(nowUs: InstantUs, host: SimHost, event: NodeEvent): void {
    if (this.#all.length > 0) this.#tell((observer) => observer.onEvent?.(nowUs, host, event));
  }

  onNote(nowUs: InstantUs, text: string): void {
    this.#tell((observer) => observer.onNote?.(nowUs, text));
  }

  onEnd(nowUs: InstantUs): void {
    this.#tell((observer) => observer.onEnd?.(nowUs));
  }

  #tell(call: (observer: Observer) => void): void {
    for (const observer of this.#all) {
      try {
        call(observer);
      } catch (error) {
        this.#onFailure(error);
      }
    }
  }
}
