/** Where the cases for event loops play: probes in one loop, on transports whose borrowed buffers are overwritten. */
import {
  type Address,
  AddressTable,
  type DriverOptions,
  type InstantMs,
  type KadError,
  type KadNode,
  type NodeEvent,
  type QueryFinished,
  type QueryId,
  type Transport,
} from "@kad/core";
import { blockEventLoop, runEventLoop, runPatiently, runtimeNowMs } from "../../event-loop.ts";
import { ExpectationError, nth } from "../../expectations.ts";
import type { LoopHarness, LoopNode, LoopNodeOptions } from "../../loop-harness.ts";
import { poisonedTransport } from "../../poison.ts";
import { seededNode } from "../../seeded-node.ts";
import type { CaseStage, SuiteCase, SuiteOptions } from "../../suite.ts";
import { UnsentWatch } from "../../unsent-watch.ts";
import { Probe } from "./probe.ts";

/** A fresh loop in which nothing runs yet; called once for each case, and once when the cases are registered. */
export type MakeLoop = () => LoopHarness;

export interface LoopAdapterSuiteOptions extends SuiteOptions {
  /**
   * `true`: the loop blocks, and neither promises nor timers of the runtime go on inside it. So `start`, `run` and
   * `close` return none, and cases about promises are skipped.
   */
  readonly isSynchronous?: boolean;
  /** Golden traces to play, as parsed from the JSON files of `@kad/testkit/vectors`. */
  readonly traces?: readonly unknown[];
}

export interface LoopTraits {
  readonly isSynchronous: boolean;
  readonly countsHandles: boolean;
  readonly hasTraces: boolean;
}

export type LoopCase = SuiteCase<LoopStage, LoopTraits>;

export function loopTraitsOf(make: MakeLoop, options: LoopAdapterSuiteOptions): LoopTraits {
  const { isSynchronous = false, traces = [] } = options;
  const harness = make();
  void harness.close?.();
  return { isSynchronous, countsHandles: harness.openHandles !== undefined, hasTraces: traces.length > 0 };
}

/** A probe that lives in the loop. */
export interface Resident {
  readonly probe: Probe;
  readonly node: LoopNode;
  readonly addresses: AddressTable;
  /** Where it listens. */
  readonly url: string;
  readonly transport: Transport;
  readonly watch: UnsentWatch;
  /** What the driver handed out. */
  readonly events: NodeEvent[];
  readonly reports: unknown[];
  /** The address of another, for messages of this one. */
  to(other: Resident): Address;
  /** Sends as a command would, through the driver. */
  say(to: Resident, ...bytes: readonly number[]): void;
}

export interface ResidentOptions extends DriverOptions {
  /** Changes the transport before the node gets it. */
  readonly change?: (transport: Transport) => Transport;
  /** Others that the node is given beside its own. */
  readonly moreTransports?: readonly Transport[];
}

/** A real node that lives in the loop. */
export interface KadResident {
  readonly machine: KadNode;
  readonly addresses: AddressTable;
  readonly url: string;
  /** Gives a command and lets the loop run until it ends. */
  finish(command: (nowMs: InstantMs) => QueryId): Promise<QueryFinished>;
}

const defaultPatienceMs = 4_000;

export class LoopStage implements CaseStage {
  readonly harness: LoopHarness;
  readonly options: LoopAdapterSuiteOptions;
  /** How often the loop has turned: it asks after each turn whether it may stop. */
  turns = 0;
  readonly #nodes: LoopNode[] = [];
  readonly #run: NonNullable<LoopHarness["run"]>;
  #residents = 0;

  constructor(harness: LoopHarness, options: LoopAdapterSuiteOptions) {
    this.harness = harness;
    this.options = options;
    this.#run = harness.run ?? runEventLoop;
  }

  nowMs(): number {
    return this.harness.nowMs?.() ?? runtimeNowMs();
  }

  block(forMs: number): void {
    if (this.harness.block === undefined) blockEventLoop(forMs);
    else this.harness.block(forMs);
  }

  /** Starts a probe. */
  async resident(options: ResidentOptions = {}): Promise<Resident> {
    const resident = this.prepare(options);
    await resident.start();
    return resident;
  }

  /** A probe that is not started yet. */
  prepare(options: ResidentOptions = {}): Resident & { start(): Promise<void> } {
    const { change = (transport) => transport, moreTransports = [], onEvent, ...budgets } = options;
    const addresses = new AddressTable();
    const watch = new UnsentWatch();
    const transport = poisonedTransport(watch.transport(change(this.harness.transport())));
    const probe = new Probe(addresses, ++this.#residents);
    const [events, reports]: [NodeEvent[], unknown[]] = [[], []];
    let started: LoopNode | undefined;
    const to = (other: Resident): Address => addresses.parse(other.url);
    const resident = {
      probe,
      addresses,
      transport,
      watch,
      events,
      reports,
      to,
      get node(): LoopNode {
        if (started === undefined) throw new Error("the probe is not started");
        return started;
      },
      get url(): string {
        return nth(transport.localAddresses, 0).key;
      },
      say(other: Resident, ...bytes: readonly number[]): void {
        resident.node.driver.run(() => {
          watch.note("a command");
          probe.say(to(other), Uint8Array.from(bytes));
        });
      },
      start: async (): Promise<void> => {
        started = await this.start({
          ...budgets,
          machine: watch.machine(probe.machine),
          transports: [transport, ...moreTransports],
          addresses,
          report: (error: unknown) => void reports.push(error),
          onEvent: (event: NodeEvent) => {
            events.push(event);
            onEvent?.(event);
          },
        });
      },
    };
    return resident;
  }

  /** Starts whatever machine, and closes it at the end of the case. */
  async start(options: LoopNodeOptions): Promise<LoopNode> {
    const node = await this.harness.start(options);
    this.#nodes.push(node);
    return node;
  }

  /** Starts a real node. */
  async kadNode(): Promise<KadResident> {
    const addresses = new AddressTable();
    const transport = poisonedTransport(this.harness.transport());
    const machine = seededNode(addresses, ++this.#residents);
    const ends = new Map<QueryId, QueryFinished>();
    const node = await this.start({
      machine,
      transports: [transport],
      addresses,
      report: (error: unknown) => {
        throw error;
      },
      onEvent: (event: NodeEvent) => void (event.type === "queryFinished" && ends.set(event.query, event)),
    });
    return {
      machine,
      addresses,
      url: nth(transport.localAddresses, 0).key,
      finish: async (command) => {
        const query = node.driver.run(command);
        await this.until("a query ends", () => ends.has(query));
        return ends.get(query) as QueryFinished;
      },
    };
  }

  /** Lets the loop run until it is so. */
  async until(what: string | (() => string), isSo: () => boolean): Promise<void> {
    const patienceMs = this.options.patienceMs ?? defaultPatienceMs;
    await runPatiently((isDone, forMs) => this.#run(this.#countingTurns(isDone), forMs), isSo, patienceMs);
    if (isSo()) return;
    const missing = typeof what === "string" ? what : what();
    throw new ExpectationError(`waited ${patienceMs} ms for this to happen: ${missing}`);
  }

  /** Lets the loop run for so long, whatever happens. */
  async pass(forMs: number): Promise<void> {
    await this.#run(
      this.#countingTurns(() => false),
      forMs,
    );
  }

  #countingTurns(isDone: () => boolean): () => boolean {
    return () => {
      this.turns++;
      return isDone();
    };
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) await node.close();
    await this.harness.close?.();
  }
}

/** For `events` of a probe: an event that says nothing but its number. */
export function numberedEvent(number: number): NodeEvent {
  return { type: "timer", timer: number, plugin: 0 };
}

/** The numbers of numbered events, in the order in which they were handed out. */
export function numbersOf(events: readonly NodeEvent[]): number[] {
  return events.flatMap((event) => (event.type === "timer" ? [event.timer] : []));
}

/** Whether an error is, or was caused by, another. */
export function isCausedBy(error: unknown, cause: unknown): boolean {
  return error === cause || (error as KadError | undefined)?.cause === cause;
}
