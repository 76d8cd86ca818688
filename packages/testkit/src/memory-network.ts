/**
 * Datagrams that never leave memory: transports like any other, on a network whose clock moves when it is told to.
 *
 * Nothing is delivered by itself: what was sent waits, as in a socket's buffer, until somebody calls `deliver` or `run`.
 */
import {
  type Address,
  type AddressKind,
  type AddressTable,
  type InstantMs,
  ListenError,
  type SendOutcome,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";
import { Link, type LinkScript } from "./link.ts";

export interface MemoryNetworkOptions {
  /** What becomes of each datagram; by default it arrives at once. */
  readonly link?: LinkScript;
  /** Datagrams of one transport that have not arrived yet; beyond it `send` answers `full`. By default 1,024. */
  readonly maxQueued?: number;
  /** Largest datagram in bytes; by default 1,200. */
  readonly maxBytes?: number;
}

const firstFreePort = 49_152;

export class MemoryNetwork {
  /** Moves when `run` is called, or by hand; never backwards. */
  nowMs: InstantMs = 0;
  readonly maxQueued: number;
  readonly maxBytes: number;
  readonly #link: Link;
  /** By address. */
  readonly #open = new Map<string, MemoryTransport>();
  readonly #queued = new Map<string, number>();
  #lastPort = firstFreePort - 1;

  constructor(options: MemoryNetworkOptions = {}) {
    const { link = () => [0], maxQueued = 1_024, maxBytes = 1_200 } = options;
    this.#link = new Link(link);
    this.maxQueued = maxQueued;
    this.maxBytes = maxBytes;
  }

  /** A transport that listens at a `udp://` URL once it is opened; port 0 lets the network choose. */
  transport(listen: string): MemoryTransport {
    return new MemoryTransport(this, listen);
  }

  /** How many transports are open. */
  get openTransports(): number {
    return this.#open.size;
  }

  /** When the next datagram arrives; `undefined` when none is on its way. */
  get nextArrivalMs(): InstantMs | undefined {
    return this.#link.nextArrivalMs;
  }

  /** Hands what has arrived by now to those that listen; not what they send meanwhile. Returns how many there were. */
  deliver(): number {
    const arrived = [];
    for (let next = this.#link.take(this.nowMs); next !== undefined; next = this.#link.take(this.nowMs)) {
      arrived.push(next);
    }
    for (const { from, to, bytes } of arrived) {
      const queued = (this.#queued.get(from.key) ?? 1) - 1;
      this.#queued.set(from.key, queued);
      this.#open.get(to.key)?.receive(from, bytes);
      this.#open.get(from.key)?.onDelivered(queued);
    }
    return arrived.length;
  }

  /** Delivers, and moves the clock from one arrival to the next. A `RunLoop`, for the suite of transports. */
  run(isDone: () => boolean, forMs: number): void {
    const endMs = this.nowMs + forMs;
    while (!isDone()) {
      const nextMs = this.nextArrivalMs;
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.deliver();
    }
  }

  /** @internal */
  listen(transport: MemoryTransport, at: Address): void {
    if (this.#open.has(at.key)) throw new ListenError("addressInUse", at.key, new Error("address in use"));
    this.#open.set(at.key, transport);
  }

  /** @internal */
  unlisten(at: Address): void {
    this.#open.delete(at.key);
  }

  /** @internal */
  freePort(): number {
    this.#lastPort++;
    return this.#lastPort;
  }

  /** @internal `false` when the sender has too many on their way. */
  send(from: Address, to: Address, bytes: Uint8Array): boolean {
    const queued = this.#queued.get(from.key) ?? 0;
    if (queued >= this.maxQueued) return false;
    const before = this.#link.size;
    this.#link.send(this.nowMs, from, to, bytes);
    this.#queued.set(from.key, queued + this.#link.size - before);
    return true;
  }
}

/** See {@link MemoryNetwork.transport}. It opens and closes without a promise. */
export class MemoryTransport implements Transport {
  readonly kinds: readonly AddressKind[];
  readonly maxBytes: number;
  readonly #network: MemoryNetwork;
  readonly #listen: string;
  #sink: TransportSink | undefined;
  #addresses: AddressTable | undefined;
  #local: Address | undefined;
  #isFull = false;

  /** Use {@link MemoryNetwork.transport}. */
  constructor(network: MemoryNetwork, listen: string) {
    if (!listen.startsWith("udp://")) {
      throw new UsageError("invalidAddress", `listen: "${listen}"; allowed is udp://IP:PORT`);
    }
    this.#network = network;
    this.#listen = listen;
    this.kinds = [listen.includes("[") ? "udp6" : "udp4"];
    this.maxBytes = network.maxBytes;
  }

  open(sink: TransportSink, addresses: AddressTable): void {
    if (this.#addresses !== undefined) throw new UsageError("invalidArgument", "a transport is opened once");
    const wanted = addresses.parse(this.#listen, { listening: true });
    const port = wanted.port === 0 ? this.#network.freePort() : wanted.port;
    const local = addresses.parse(this.#listen.replace(/:\d+$/, `:${port}`));
    this.#network.listen(this, local);
    this.#addresses = addresses;
    this.#local = local;
    this.#sink = sink;
  }

  send({ path, tag }: Transmit, bytes: Uint8Array): SendOutcome {
    const [sink, local] = [this.#sink, this.#local];
    if (sink === undefined || local === undefined) return "unreachable";
    if (bytes.length > this.maxBytes) {
      sink.sendFailed(path.remote, tag, "tooLarge");
      return "queued";
    }
    if (this.#network.send(local, path.remote, bytes)) return "sent";
    this.#isFull = true;
    return "full";
  }

  flush(): void {}

  get localAddresses(): readonly Address[] {
    return this.#local === undefined ? [] : [this.#local];
  }

  close(): void {
    if (this.#local !== undefined) this.#network.unlisten(this.#local);
    this.#sink = undefined;
    this.#local = undefined;
  }

  /** @internal */
  receive(from: Address, bytes: Uint8Array): void {
    const remote = this.#addresses?.parse(from.key);
    const local = this.#local;
    if (remote !== undefined && local !== undefined) {
      this.#sink?.message({ remote, local, dialable: true }, bytes);
    }
  }

  /** @internal */
  onDelivered(queued: number): void {
    if (!this.#isFull || queued > this.#network.maxQueued / 2) return;
    this.#isFull = false;
    for (const kind of this.kinds) this.#sink?.flow(kind, true);
  }
}
