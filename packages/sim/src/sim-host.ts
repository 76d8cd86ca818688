/**
 * A host in a simulated network: a name, a place, a disk, clocks and sockets, and the node that runs on it, which may crash,
 * leave, restart, sleep and be paused.
 */
import {
  type Address,
  type Contact,
  type Driver,
  type InstantMs,
  KadNode,
  MemoryRecordStore,
  type NodeEvent,
  NodeId,
  type NodeLimits,
  type NodeOptions,
  type Path,
  type Plugin,
  type QueryId,
  type RecordStore,
  resolveLimits,
  type Seed,
  type SendOutcome,
  type SocketAddress,
  UsageError,
} from "@kad/core";
import type { Families } from "./addressing.ts";
import { type Bandwidth, Line } from "./bandwidth.ts";
import type { Place } from "./delay.ts";
import { Endpoint } from "./endpoint.ts";
import { HostClock } from "./host-clock.ts";
import { HostCommands } from "./host-commands.ts";
import type { HostOptions, HostState, RestartOptions } from "./host-options.ts";
import { Life } from "./life.ts";
import type { NodeMachine } from "./machine-layer.ts";
import type { HostChange } from "./observer.ts";
import type { Packet } from "./packet.ts";
import type { RandomStream } from "./random-stream.ts";
import { SimQuery } from "./sim-query.ts";
import type { Simulation } from "./simulation.ts";
import type { InstantUs } from "./virtual-time.ts";
import { facadeOf, WatchedMachine } from "./watched-machine.ts";

/** Datagrams that a kernel keeps for a process that does not read: about 200 KiB, as Linux does by default. */
const maxWaitingPackets = 256;
/** As many as a node would read from a snapshot (POLICIES §1). */
const maxRestoredContacts = 1_000;
/** What a restarted node asks at once. */
const maxRestartSeeds = 20;

interface WaitingPacket {
  readonly source: Path;
  readonly bytes: Uint8Array;
}

export class SimHost<M extends NodeMachine = NodeMachine> extends HostCommands<M> {
  /** Counted from 0, in the order in which hosts were added. */
  readonly index: number;
  readonly name: string;
  readonly simulation: Simulation;
  readonly place: Place;
  /** Whether this host's packets are lost, or doubled. @internal */
  readonly random: RandomStream;
  /** How long they take. @internal */
  readonly timing: RandomStream;
  readonly #options: HostOptions<M>;
  readonly #clock: HostClock;
  readonly #nodeRandom: RandomStream;
  readonly #stackRandom: RandomStream;
  readonly #queries = new Map<QueryId, SimQuery>();
  #uplink: Line | undefined;
  #downlink: Line | undefined;
  #endpoints: readonly Endpoint[];
  #id: NodeId;
  #store: RecordStore;
  #life: Life | undefined;
  #state: HostState = "down";
  #limits: NodeLimits | undefined;
  #lastContacts: readonly Contact[] = [];
  #waiting: WaitingPacket[] = [];

  /** @internal made by `Simulation.addHost` */
  constructor(simulation: Simulation, index: number, options: HostOptions<M>) {
    super();
    this.simulation = simulation;
    this.index = index;
    this.name = options.name ?? `h${index}`;
    this.#options = options;
    this.random = simulation.stream("host", index, "packets");
    this.timing = simulation.stream("host", index, "timing");
    this.#nodeRandom = simulation.stream("host", index, "node");
    this.#stackRandom = simulation.stream("host", index, "stack");
    const placeRandom = simulation.stream("host", index, "place");
    this.place = options.place ?? simulation.network.conditions.delay.place(placeRandom);
    this.#id = options.id ?? this.#newId();
    this.#store = newStore();
    this.setLines(options);
    this.#clock = new HostClock(simulation, options.clockOriginMs ?? 0, options.wallClockErrorMs ?? 0);
    this.#endpoints = this.#newEndpoints(options);
  }

  get id(): NodeId {
    return this.#id;
  }

  /** Those that its node has, or had, or will have. */
  get limits(): NodeLimits {
    this.#limits ??= resolveLimits({ ...this.simulation.limits, ...this.#options.limits });
    return this.#limits;
  }

  get state(): HostState {
    return this.#state;
  }

  get isHonest(): boolean {
    return this.#options.isHonest ?? true;
  }

  get isClient(): boolean {
    return this.#options.mode === "client";
  }

  /** Whether anybody can send to it unasked: it is behind no NAT. */
  get isDialable(): boolean {
    return this.#endpoints.every(({ nat }) => nat === undefined);
  }

  /** @throws UsageError `closed` while the host is down */
  get node(): M {
    return this.#running().node as M;
  }

  /** @throws UsageError `closed` while the host is down */
  get driver(): Driver {
    return this.#running().driver;
  }

  /** What it sends through; `undefined`: as much as it likes. */
  get uplink(): Line | undefined {
    return this.#uplink;
  }

  get downlink(): Line | undefined {
    return this.#downlink;
  }

  /** Its sockets: one for each address family. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** The first of its own addresses. */
  get address(): SocketAddress {
    return (this.endpoints[0] as Endpoint).address;
  }

  /** As others would write it down; behind a NAT nobody knows an address. */
  get contact(): Contact {
    return { id: this.#id, addresses: this.endpoints.map(({ address }) => address) };
  }

  /** To join through, by address alone, as a person would type it. */
  get seed(): Seed {
    return { addresses: this.endpoints.map(({ address }) => address) };
  }

  /** What is on its disk: it outlives the node. */
  get store(): RecordStore {
    return this.#store;
  }

  /** The host's monotonic clock. */
  get nowMs(): InstantMs {
    return this.#clock.nowMs;
  }

  /** The host's wall clock. */
  get unixMs(): number {
    return this.#clock.unixMs;
  }

  /** Whether what arrives is read, now or later. @internal */
  get isReceiving(): boolean {
    return this.#state === "up" || (this.#state === "paused" && this.#waiting.length < maxWaitingPackets);
  }

  /** Starts the node of a host that is down. */
  start(): void {
    if (this.#state !== "down") throw new UsageError("invalidArgument", `${this.name} is ${this.#state}`);
    const { simulation } = this;
    const life = new Life(this, this.#makeMachine(), simulation.timeline, simulation.maxMessageBytes);
    this.#life = life;
    this.#state = "up";
    this.#bind();
    this.#tell("started");
    for (const plugin of this.#options.plugins?.() ?? []) life.driver.use(plugin);
    life.start(this.endpoints.map(({ address }) => address));
  }

  /** Its node closes as it should: queries end, what is queued is sent. */
  leave(): void {
    const life = this.#running();
    this.#wakeUp();
    this.#lastContacts = life.machine.table.contacts();
    life.driver.close();
    this.#end("closed");
  }

  /** Its process is gone without a word, or the whole machine. */
  crash(): void {
    const life = this.#running();
    this.#lastContacts = life.machine.table.contacts();
    this.#end("crashed");
  }

  /** Starts again what has crashed or left, and joins. The query that does so; `undefined`: it knows nobody. */
  restart(options: RestartOptions = {}): SimQuery | undefined {
    const { sameId = true, keepsRecords = true, keepsContacts = false, seeds = [] } = options;
    if (options.moves === true) this.#endpoints = this.#newEndpoints(this.#options);
    if (!sameId) this.#id = this.#newId();
    if (!keepsRecords) this.#store = newStore();
    // slice: an array
    const contacts = keepsContacts ? this.#lastContacts.slice(0, maxRestoredContacts) : [];
    this.start();
    for (const contact of contacts) this.run((node, nowMs) => node.addContact(nowMs, contact));
    // slice: an array
    const all = [...seeds.map(({ seed }) => seed), ...contacts.slice(0, maxRestartSeeds)];
    return all.length === 0 ? undefined : this.bootstrap(all);
  }

  /** Goes to another network while it runs: other addresses, of another subnet. Its node is told. */
  move(): void {
    const { driver } = this.#running();
    this.#unbind();
    this.#endpoints = this.#newEndpoints(this.#options);
    this.#bind();
    this.#tell("moved");
    driver.deliver({
      type: "addressesChanged",
      addresses: this.endpoints.map(({ address }) => address),
    });
    driver.pump();
  }

  /** Suspended: its monotonic clock stands still, the wall clock goes on, and what arrives is lost. */
  sleep(): void {
    this.#freeze("asleep", "slept");
    this.#clock.stop();
  }

  /** The end of {@link sleep}: timers go on where they stood, and the first tells the node that the wall clock has jumped. */
  wake(): void {
    this.#expect("asleep");
    this.#clock.start();
    this.#thaw("woke");
  }

  /** Its process is stopped, or its loop is blocked, while both clocks go on; what arrives waits in the kernel. */
  pause(): void {
    this.#freeze("paused", "paused");
  }

  /** The end of {@link pause}: timers that are due fire before what has arrived is read, as they do in Node. */
  resume(): void {
    this.#expect("paused");
    this.#thaw("resumed");
    const waiting = this.#waiting;
    this.#waiting = [];
    const life = this.#running();
    const { nowMs } = this;
    const dueMs = life.machine.nextDeadline()?.atMs;
    if (dueMs !== undefined && dueMs <= nowMs) life.driver.wake();
    for (const { source, bytes } of waiting) life.driver.deliver({ type: "message", from: source, bytes });
    life.driver.pump();
  }

  /** Sets the wall clock forward, or back; the node hears of it when its next timer fires. */
  stepWallClock(byMs: number): void {
    this.#clock.stepWallClock(byMs);
    this.#tell("stepped");
  }

  /** `true`: its kernel takes no more messages, as when a network card stalls. */
  setClogged(isClogged: boolean): void {
    if (this.#running().setClogged(isClogged)) this.#tell(isClogged ? "clogged" : "unclogged");
  }

  /** Gives it other lines, or none, for what is sent from now on. */
  setLines({ uplink, downlink }: { readonly uplink?: Bandwidth; readonly downlink?: Bandwidth }): void {
    this.#uplink = uplink === undefined ? undefined : new Line(uplink);
    this.#downlink = downlink === undefined ? undefined : new Line(downlink);
  }

  /** Attaches a plugin until the node ends; the returned function removes it before. */
  use(plugin: Plugin): () => void {
    return this.driver.use(plugin);
  }

  /**
   * Any command, at the host's instant, as `Driver.run` does it.
   * @throws UsageError `closed` while it is down, `invalidArgument` while it stands still; and whatever the command throws
   */
  run<T>(command: (node: M, nowMs: InstantMs) => T): T {
    const { driver, node } = this.#running();
    this.#expect("up");
    return driver.run((nowMs) => command(node as M, nowMs));
  }

  override query(command: (node: M, nowMs: InstantMs) => QueryId): SimQuery {
    let query: SimQuery | undefined;
    this.run((node, nowMs) => {
      // Before the pump: it may end at once.
      query = new SimQuery(this, command(node, nowMs));
      this.#queries.set(query.id, query);
    });
    return query as unknown as SimQuery;
  }

  override toString(): string {
    return this.name;
  }

  /** A packet has come; its bytes are borrowed. @internal */
  receive(packet: Packet): void {
    const { source, bytes } = packet;
    if (this.#state === "paused") {
      this.#waiting.push({ source, bytes: new Uint8Array(bytes) });
      return;
    }
    const { driver } = this.#running();
    driver.deliver({ type: "message", from: source, bytes });
    driver.pump();
  }

  /** @internal */
  transmit(to: Address, bytes: Uint8Array): SendOutcome {
    const from = this.endpoints.find(({ address }) => address.kind === to.kind);
    if (from === undefined) return "unreachable";
    this.simulation.network.send(from, to, bytes);
    return "sent";
  }

  /** @internal */
  onNodeEvent(event: NodeEvent): void {
    const { simulation } = this;
    simulation.observers.onEvent(simulation.nowUs, this, event);
    if (event.type !== "queryFinished") return;
    const query = this.#queries.get(event.query);
    this.#queries.delete(event.query);
    query?.onFinished(event);
  }

  /** @internal */
  onReport(error: unknown): void {
    this.simulation.onReport(this, error);
  }

  /** When the host's monotonic clock says this. @internal */
  toTimelineUs(hostMs: InstantMs): InstantUs {
    return this.#clock.toTimelineUs(hostMs);
  }

  #makeMachine(): Pick<Life, "machine" | "node"> {
    const { simulation } = this;
    const { machine, limits, mode, families } = this.#options;
    const options: NodeOptions = {
      ...simulation.nodeOptions(families ?? familiesOf(this.endpoints)),
      id: this.#id,
      random: this.#nodeRandom,
      store: this.#store,
      limits: { ...simulation.limits, ...limits },
      ...(mode === undefined ? {} : { mode }),
    };
    const made = machine === undefined ? new KadNode(options) : machine(options, this);
    const outer =
      simulation.stack?.wrap(made, {
        nowMs: this.nowMs,
        unixMs: this.unixMs,
        random: this.#stackRandom,
        addresses: options.addresses,
      }) ?? made;
    if (!simulation.isWatched) return { machine: outer, node: made };
    const watched = new WatchedMachine(outer, (call) => {
      simulation.observers.onCommand(simulation.nowUs, this, call);
    });
    return { machine: watched, node: facadeOf(made, watched) };
  }

  #newEndpoints(options: HostOptions<M>): Endpoint[] {
    return this.simulation
      .addressesFor(options)
      .map((address) => new Endpoint(this, address, address.family === 4 ? options.nat : undefined));
  }

  #bind(): void {
    for (const endpoint of this.#endpoints)
      if (endpoint.nat === undefined) this.simulation.network.bind(endpoint);
  }

  #unbind(): void {
    for (const endpoint of this.#endpoints) this.simulation.network.unbind(endpoint);
  }

  #newId(): NodeId {
    const { stack } = this.simulation;
    if (stack !== undefined) return stack.newId(this.#stackRandom);
    const bytes = new Uint8Array(this.simulation.idBytes);
    this.#nodeRandom.fill(bytes);
    return NodeId.fromBytes(bytes);
  }

  #running(): Life {
    if (this.#life === undefined) throw new UsageError("closed", `${this.name} is down`);
    return this.#life;
  }

  #expect(state: HostState): void {
    if (this.#state !== state) {
      throw new UsageError("invalidArgument", `${this.name} is ${this.#state}; it must be ${state}`);
    }
  }

  #freeze(state: "asleep" | "paused", change: HostChange): void {
    this.#expect("up");
    this.#running().freeze();
    this.#state = state;
    this.#tell(change);
  }

  #thaw(change: HostChange): void {
    this.#state = "up";
    this.#tell(change);
    this.#running().thaw();
  }

  #wakeUp(): void {
    if (this.#state === "asleep") this.wake();
    else if (this.#state === "paused") this.resume();
  }

  #end(change: HostChange): void {
    this.#life?.end();
    this.#tell(change); // while its node can still be looked at
    this.#life = undefined;
    this.#state = "down";
    this.#waiting = [];
    this.#unbind();
    const lost = [...this.#queries.values()];
    this.#queries.clear();
    for (const query of lost) query.onLost();
  }

  #tell(change: HostChange): void {
    this.simulation.onHost(this, change);
  }
}

function familiesOf(endpoints: readonly Endpoint[]): Families {
  const has4 = endpoints.some(({ address }) => address.family === 4);
  const has6 = endpoints.some(({ address }) => address.family === 6);
  return has4 && has6 ? "both" : has6 ? "ipv6" : "ipv4";
}

/** As large as a node's own default store. */
function newStore(): RecordStore {
  return new MemoryRecordStore({ maxRecords: 2 * 1_024 + 16_384, maxBytes: 10 * 2 ** 20 });
}
