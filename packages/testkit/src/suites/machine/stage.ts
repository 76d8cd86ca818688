/** Where the cases for machines play: a pair of them, whose borrowed buffers are overwritten after every call. */
import {
  AddressTable,
  type NetworkEvent,
  type NodeEvent,
  type NodeOptions,
  type QueryFinished,
  type QueryId,
  type SocketAddress,
} from "@kad/core";
import type { CommandedMachine } from "../../commanded-machine.ts";
import { ExpectationError } from "../../expectations.ts";
import { Pair, type PairOptions, type PairSent, type PairSide } from "../../pair.ts";
import type { CaseStage, SuiteCase, SuiteOptions } from "../../suite.ts";

/**
 * A new machine: a node, or a stack around one that forwards its commands. It need not have the id that it is offered
 * (one that follows from a key is its own), but draws from the random source, and keeps records in the store, that it is
 * given.
 */
export type MakeMachine = (options: NodeOptions) => CommandedMachine;

export interface MachineSuiteOptions extends SuiteOptions {
  /** Golden traces to play, as parsed from the JSON files of `@kad/testkit/vectors`. */
  readonly traces?: readonly unknown[];
  /** By how many bytes a stack makes each message longer: the table of addresses is told, as its user would. */
  readonly overheadBytes?: number;
}

export type MachineCase = SuiteCase<MachineStage, MachineSuiteOptions>;
export type MachineSide = PairSide<CommandedMachine>;

const second = 1_000;

export class MachineStage implements CaseStage {
  readonly make: MakeMachine;
  readonly options: MachineSuiteOptions;

  constructor(make: MakeMachine, options: MachineSuiteOptions) {
    this.make = make;
    this.options = options;
  }

  /** Two that do not know each other. */
  strangers(options: Omit<PairOptions<CommandedMachine>, "machine"> = {}): Pair<CommandedMachine> {
    const addresses = new AddressTable({ overheadBytes: this.options.overheadBytes ?? 0 });
    return new Pair({ addresses, ...options, machine: this.make });
  }

  /** Two that know each other, some seconds later, with nothing under way. */
  pair(options: Omit<PairOptions<CommandedMachine>, "machine"> = {}): Pair<CommandedMachine> {
    const pair = this.strangers(options);
    const { end } = finish(
      pair,
      pair.a,
      pair.a.machine.bootstrap(pair.nowMs, [{ addresses: [pair.b.address] }]),
    );
    if (end !== "converged") throw new ExpectationError(`expected: joining ends converged, not ${end}`);
    pair.run(10 * second);
    return pair;
  }

  close(): void {}
}

/** Time passes until a query ends. */
export function finish(pair: Pair<CommandedMachine>, side: MachineSide, query: QueryId): QueryFinished {
  pair.run(120 * second, () => endsOf(side, query).length > 0);
  const [end] = endsOf(side, query);
  if (end === undefined) throw new ExpectationError(`expected: query ${query} ends within 120 s`);
  return end;
}

export function endsOf({ events }: MachineSide, query: QueryId): QueryFinished[] {
  return of(events, "queryFinished").filter((event) => event.query === query);
}

export function of<T extends NodeEvent["type"]>(
  events: readonly NodeEvent[],
  type: T,
): Extract<NodeEvent, { type: T }>[] {
  return events.filter((event) => event.type === type) as Extract<NodeEvent, { type: T }>[];
}

/** An address at which nobody answers. */
export function silentAddress(pair: Pair<CommandedMachine>, i = 1): SocketAddress {
  return pair.addresses.parse(`udp://10.9.${i}.1:4000`);
}

/** Tells one of them what the network did, at this instant. */
export function tell(pair: Pair<CommandedMachine>, side: MachineSide, event: NetworkEvent): void {
  side.machine.handleNetworkEvent(pair.nowMs, event);
}

/** Time passes for one of them alone, deadline by deadline, and nothing reaches it; what it then sends. */
export function passAlone(pair: Pair<CommandedMachine>, side: MachineSide, forMs: number): PairSent[] {
  const endMs = pair.nowMs + forMs;
  const sent: PairSent[] = [];
  for (;;) {
    const atMs = side.machine.nextDeadline()?.atMs;
    if (atMs === undefined || atMs > endMs) break;
    pair.nowMs = Math.max(pair.nowMs, atMs);
    side.machine.handleTimeout(pair.nowMs);
    sent.push(...pair.poll(side));
  }
  pair.nowMs = endMs;
  return sent;
}

export function text(words: string): Uint8Array {
  return Uint8Array.from(words, (char) => char.charCodeAt(0));
}
