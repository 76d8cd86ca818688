/**
 * A whole network in one process, on one virtual clock: hosts, what is between them, and what happens when.
 *
 * Everything is drawn from the seed, and nothing else comes in: the same seed, the same calls and the same version give the
 * same run, event for event, on every engine.
 */
import {
  type Address,
  type AddressCodec,
  KadError,
  type NodeLimits,
  type NodeOptions,
  nativeProtocol,
  type Protocol,
  type Sha256,
  type SocketAddress,
  UsageError,
} from "@kad/core";
import { Addressing, type Families, Subnet, usualPort } from "./addressing.ts";
import { SimulationError } from "./errors.ts";
import type { HostOptions } from "./host-options.ts";
import type { NodeMachine } from "./machine-layer.ts";
import { Nat, type NatOptions } from "./nat.ts";
import { Network, type NetworkConditions } from "./network.ts";
import type { NodeStack } from "./node-stack.ts";
import { type HostChange, type Observer, Observers } from "./observer.ts";
import { RandomStream, type Seed } from "./random-stream.ts";
import { platformSha256 } from "./sha256.ts";
import { SimHost } from "./sim-host.ts";
import { Timeline } from "./timeline.ts";
import { type InstantUs, toMs, toUs } from "./virtual-time.ts";

export interface SimulationOptions {
  readonly seed: Seed;
  /** Over {@link defaultConditions}. */
  readonly network?: Partial<NetworkConditions>;
  /** Of every node, over core's defaults. */
  readonly limits?: Partial<NodeLimits>;
  /** Networks that subnet limits do not count: `private`, a CIDR block. */
  readonly exempt?: readonly string[];
  /** That of `node:crypto` by default, where there is one. */
  readonly sha256?: Sha256;
  /** What nodes speak; core's native protocol by default. One for all, so that they share what it keeps of contacts. */
  readonly protocol?: (addresses: AddressCodec) => Protocol;
  /** Around every node, those that misbehave included; nothing by default, and nodes speak in plain text. */
  readonly stack?: NodeStack;
  /** Largest message on any link, in bytes; 1,200 by default. */
  readonly maxMessageBytes?: number;
  /** What the true wall clock says when the run begins; 1 January 2026 by default. */
  readonly unixMs?: number;
  /** They see everything from the beginning. */
  readonly observers?: readonly Observer[];
  /** Takes the errors that nodes and plugins report; without it the first one ends the run. */
  readonly onReport?: (host: SimHost, error: unknown) => void;
}

const defaultUnixMs = Date.UTC(2026, 0, 1);
/** Contacts that the protocol keeps for all nodes. */
const contactCacheSize = 2 ** 20;

/** Names something that was planned, until it happens. */
export interface Planned {
  /** Does nothing once it has happened. */
  cancel(): void;
}

export class Simulation {
  readonly seed: Seed;
  readonly network: Network;
  readonly observers: Observers = new Observers((error) => {
    this.#failure ??= { error };
  });
  readonly limits: Partial<NodeLimits>;
  readonly maxMessageBytes: number;
  readonly stack: NodeStack | undefined;
  /** Length of ids and keys. */
  readonly idBytes: number;
  /** @internal */
  readonly timeline: Timeline = new Timeline();
  readonly #addressing: Addressing;
  readonly #protocol: Protocol;
  readonly #sha256: Sha256;
  readonly #unixMs: number;
  readonly #onReport: ((host: SimHost, error: unknown) => void) | undefined;
  readonly #hosts: SimHost[] = [];
  readonly #names = new Map<string, SimHost>();
  #failure: Failure | undefined;

  /** @throws UsageError `invalidOption` */
  constructor(options: SimulationOptions) {
    const { seed, limits = {}, maxMessageBytes = 1_200, exempt = [], network = {}, stack } = options;
    if (typeof seed !== "number" && typeof seed !== "string") {
      throw new UsageError("invalidOption", `seed: ${String(seed)}; allowed is a number or a text`);
    }
    this.seed = seed;
    this.limits = limits;
    this.maxMessageBytes = maxMessageBytes;
    this.stack = stack;
    this.#addressing = new Addressing(maxMessageBytes, exempt, stack?.overheadBytes ?? 0);
    const { table } = this.#addressing;
    this.#protocol = options.protocol?.(table) ?? nativeProtocol({ addresses: table, contactCacheSize });
    this.idBytes = this.#protocol.idBytes;
    this.#sha256 = options.sha256 ?? platformSha256();
    this.#unixMs = options.unixMs ?? defaultUnixMs;
    this.#onReport = options.onReport;
    this.network = new Network(this.timeline, this.observers, network);
    for (const observer of options.observers ?? []) this.observers.add(observer);
  }

  /** Milliseconds since the run began. */
  get nowMs(): number {
    return toMs(this.timeline.nowUs);
  }

  /** The same in whole microseconds. */
  get nowUs(): InstantUs {
    return this.timeline.nowUs;
  }

  /** The true wall clock. */
  get unixMs(): number {
    return this.#unixMs + Math.floor(this.nowMs);
  }

  /** In the order in which they were added. */
  get hosts(): readonly SimHost[] {
    return this.#hosts;
  }

  /** Events that have happened: packets that arrived, timers, pumps. */
  get events(): number {
    return this.timeline.ran;
  }

  get sha256(): Sha256 {
    return this.#sha256;
  }

  get protocol(): Protocol {
    return this.#protocol;
  }

  /** The subnet that limits count an address by; `undefined`: exempt. */
  readonly group: (address: Address) => string | undefined = (address) =>
    this.#addressing.table.group(address);

  /** A stream of random numbers that has these names under the run's seed; the same names give the same stream. */
  stream(...names: readonly (string | number)[]): RandomStream {
    return RandomStream.of(this.seed, ...names);
  }

  /** The address that a URL names, as all hosts know it. */
  address(url: string): SocketAddress {
    return this.#addressing.parse(url);
  }

  /** @throws UsageError `invalidOption`, `invalidAddress`, or `invalidArgument` for a name or an address that is taken */
  addHost<M extends NodeMachine = NodeMachine>(options: HostOptions<M> = {}): SimHost<M> {
    const host = new SimHost<M>(this, this.#hosts.length, options);
    if (this.#names.has(host.name)) {
      throw new UsageError("invalidArgument", `host "${host.name}": there is one of this name`);
    }
    this.#names.set(host.name, host);
    this.#hosts.push(host);
    if (options.isStarted ?? true) host.start();
    return host;
  }

  /** @param options of each, or by its place from 0 */
  addHosts<M extends NodeMachine = NodeMachine>(
    count: number,
    options: HostOptions<M> | ((place: number) => HostOptions<M>) = {},
  ): SimHost<M>[] {
    return Array.from({ length: count }, (_, place) =>
      this.addHost(typeof options === "function" ? options(place) : options),
    );
  }

  /** A router with an outside IPv4 address of its own; hosts are put behind it as they are added. */
  addNat(options: NatOptions): Nat {
    const nat = new Nat(options, this.addSubnet().newIps().ipv4, this.#addressing);
    this.network.addNat(nat);
    return nat;
  }

  /** A subnet for hosts that should share one. */
  addSubnet(): Subnet {
    return new Subnet(this.#addressing);
  }

  /** @throws UsageError `invalidArgument` when there is no such host */
  host(name: string): SimHost {
    const host = this.#names.get(name);
    if (host === undefined) throw new UsageError("invalidArgument", `host "${name}": there is none`);
    return host;
  }

  /** Does something after so many milliseconds, once. */
  after(delayMs: number, action: () => void): Planned {
    let isPlanned = true;
    const handle = this.timeline.add(this.nowUs + toUs(delayMs), {
      run: () => {
        isPlanned = false;
        action();
      },
    });
    return {
      cancel: () => {
        if (isPlanned) this.timeline.cancel(handle);
        isPlanned = false;
      },
    };
  }

  /** Lets so much time pass. @throws SimulationError */
  runFor(ms: number): void {
    this.#run(this.nowUs + toUs(ms), never);
  }

  /**
   * Lets time pass until something is so, which is asked after each event; `false` when so much time has passed, or nothing
   * is left that could happen, and it is not. @throws SimulationError
   */
  runUntil(isDone: () => boolean, withinMs: number = Number.POSITIVE_INFINITY): boolean {
    if (isDone()) return true;
    const untilUs = withinMs === Number.POSITIVE_INFINITY ? withinMs : this.nowUs + toUs(withinMs);
    return this.#run(untilUs, isDone);
  }

  /** For observers that report at the end; a simulation needs no other clearing up. */
  end(): void {
    this.#guard(() => this.observers.onEnd(this.nowUs));
  }

  /** Tells observers of something that a scenario does. */
  note(text: string): void {
    this.observers.onNote(this.nowUs, text);
  }

  /** Observers that want commands need a layer around each machine. @internal */
  get isWatched(): boolean {
    return this.observers.wantsCommands;
  }

  /** What every node is given. @internal */
  nodeOptions(families: Families): Pick<NodeOptions, "sha256" | "addresses" | "protocol" | "padRequests"> {
    return {
      sha256: this.#sha256,
      addresses: this.#addressing.codec(families),
      protocol: this.#protocol,
      padRequests: this.stack === undefined, // a stack proves addresses
    };
  }

  /** @internal */
  addressesFor({ addresses, nat, subnet, families = "ipv4" }: HostOptions): SocketAddress[] {
    if (addresses !== undefined) return addresses.map((url) => this.address(url));
    const { ipv4, ipv6 } = (subnet ?? this.addSubnet()).newIps();
    const urls: string[] = [];
    if (families !== "ipv6") urls.push(`udp://${nat?.newPrivateIp() ?? ipv4}:${usualPort}`);
    if (families !== "ipv4") urls.push(`udp://[${ipv6}]:${usualPort}`);
    return urls.map((url) => this.address(url));
  }

  /** @internal */
  onHost(host: SimHost, change: HostChange): void {
    this.observers.onHost(this.nowUs, host, change);
  }

  /** @internal */
  onReport(host: SimHost, error: unknown): void {
    if (this.#onReport !== undefined) this.#onReport(host, error);
    else if (!isWarning(error)) this.#failure ??= { error, host };
  }

  #run(untilUs: InstantUs, isDone: () => boolean): boolean {
    return this.#guard(() => {
      while (this.#failure === undefined && this.timeline.runNext(untilUs)) {
        if (isDone()) return true;
      }
      const isPassing = this.#failure === undefined && untilUs !== Number.POSITIVE_INFINITY;
      if (isPassing) this.timeline.passTo(untilUs);
      return false;
    });
  }

  /** Throws what has failed, once. */
  #guard<T>(run: () => T): T {
    let failure: Failure;
    try {
      const result = run();
      if (this.#failure === undefined) return result;
      failure = this.#failure;
    } catch (error) {
      failure = { error };
    }
    this.#failure = undefined;
    throw new SimulationError(this.seed, this.nowUs, failure.host?.name, failure.error);
  }
}

interface Failure {
  readonly error: unknown;
  /** Who has reported it. */
  readonly host?: SimHost;
}

/** A node's alarm about its neighbourhood is news of the network, and no fault. */
function isWarning(error: unknown): boolean {
  return error instanceof KadError && error.code === "denseNeighbourhood";
}

function never(): boolean {
  return false;
}
