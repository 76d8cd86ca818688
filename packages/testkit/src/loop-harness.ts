/** What the suite for event loops is given. */
import type { AddressTable, Driver, DriverOptions, Transport } from "@kad/core";
import type { CommandedMachine } from "./commanded-machine.ts";
import type { RunLoop } from "./event-loop.ts";

/** What an adapter's own function to run a node takes, by whatever name it has it. */
export interface LoopNodeOptions<T extends Transport = Transport> extends DriverOptions {
  readonly machine: CommandedMachine;
  /** Not yet open; as `LoopHarness.transport` made them. */
  readonly transports: readonly T[];
  /** The table that the machine was given. */
  readonly addresses: AddressTable;
  /** Gets the errors that nobody else takes. */
  readonly report: (error: unknown) => void;
}

/** A node in the loop. */
export interface LoopNode {
  /** For commands and plugins. */
  readonly driver: Driver;
  /** Closes the node, lets leave what was queued, and frees what it holds in the loop. */
  close(): void | Promise<void>;
}

/** One loop for one case. Several nodes live in it, and `run` turns them all. */
export interface LoopHarness<T extends Transport = Transport> {
  /** Opens the transports and starts the node; throws or rejects when a transport cannot open. */
  start(options: LoopNodeOptions<T>): LoopNode | Promise<LoopNode>;
  /** A new transport that this loop can carry, not yet open, which others in this process can reach. */
  transport(): T;
  /** By default this program's own event loop goes on. */
  readonly run?: RunLoop;
  /** Takes the loop away for so long, in its own milliseconds; by default by spinning. */
  readonly block?: (forMs: number) => void;
  /** The loop's own clock; by default `performance.now`. */
  readonly nowMs?: () => number;
  /** How many descriptors, timers and other handles are open; absent: that case is skipped. */
  readonly openHandles?: () => number | Promise<number>;
  /** Called at the end of a case, when its nodes are closed. */
  readonly close?: () => void | Promise<void>;
}
