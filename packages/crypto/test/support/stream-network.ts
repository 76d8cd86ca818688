/**
 * Channels over streams on one virtual clock: ordered connections in memory, dialled when something is sent, whose ends
 * are told to those who hold them, as a transport must.
 */
import {
  AddressTable,
  type ChannelEvent,
  type NodeId,
  type Path,
  type SocketAddress,
  type Transmit,
} from "@kad/core";
import { Credentials, type CredentialsOptions } from "../../src/credentials.ts";
import { SeedIdentity } from "../../src/identity.ts";
import type { CryptoProvider } from "../../src/provider.ts";
import {
  type StreamChannel,
  type StreamChannelOptions,
  secureStreams,
} from "../../src/streams/stream-channel.ts";
import { native } from "./providers.ts";
import { SeededRandom } from "./random.ts";

export interface StreamPeer {
  readonly name: string;
  readonly channel: StreamChannel;
  readonly credentials: Credentials;
  readonly id: NodeId;
  readonly address: SocketAddress;
  readonly received: { readonly text: string; readonly peer: NodeId; readonly path: Path }[];
  readonly events: ChannelEvent[];
  answer: ((text: string) => string | undefined) | undefined;
  /** What its transport says to a message: takes it by default. */
  onSend: (bytes: Uint8Array) => "sent" | "full" | "lost";
  isUp: boolean;
}

/** One side of a connection. */
interface Side {
  readonly peer: StreamPeer;
  /** As this side's channel sees it. */
  readonly path: Path;
}

export interface Link {
  readonly sides: readonly [Side, Side];
  isUp: boolean;
}

export interface Sent {
  readonly from: StreamPeer;
  readonly bytes: Uint8Array;
  readonly closes: boolean;
}

export class StreamNetwork {
  nowMs = 1_000;
  delayMs = 10;
  readonly addresses = new AddressTable();
  readonly peers: StreamPeer[] = [];
  readonly links: Link[] = [];
  /** Everything that a transport has taken. */
  readonly log: Sent[] = [];
  /** May change what arrives, or lose it. */
  onMessage: (bytes: Uint8Array, to: StreamPeer, link: Link) => readonly Uint8Array[] = (bytes) => [bytes];
  readonly #wire: { readonly atMs: number; deliver(): void }[] = [];
  readonly #scratch = new Uint8Array(70_000);
  #lastPort = 50_000;
  #lastTag = 0;

  constructor() {
    this.addresses.setLink("tcp4", { link: 3, maxBytes: 2 ** 20 });
  }

  add(
    name: string,
    options: {
      readonly provider?: CryptoProvider;
      readonly url?: string;
      readonly credentials?: Partial<CredentialsOptions>;
      readonly channel?: Partial<StreamChannelOptions>;
    } = {},
  ): StreamPeer {
    const { provider = native } = options;
    const url = options.url ?? `tcp://10.${this.peers.length}.0.7:4000`;
    const credentials = new Credentials({
      provider,
      identity: SeedIdentity.generate(provider, new SeededRandom(`identity of ${name}`)),
      keys: new SeededRandom(`keys of ${name}`),
      nowMs: this.nowMs,
      ...options.credentials,
    });
    const { addresses, nowMs } = this;
    const channel = secureStreams({ credentials, addresses, nowMs, ...options.channel });
    const peer: StreamPeer = {
      name,
      channel,
      credentials,
      id: credentials.id,
      address: addresses.parse(url),
      received: [],
      events: [],
      answer: undefined,
      onSend: () => "sent",
      isUp: true,
    };
    this.peers.push(peer);
    return peer;
  }

  send(
    from: StreamPeer,
    to: StreamPeer | Path,
    text: string,
    options: { readonly peer?: NodeId | undefined; readonly tag?: number } = {},
  ): { readonly tag: number; readonly sealed: number | "pending" | "refused" } {
    const path = "channel" in to ? { remote: to.address, dialable: true } : to;
    const peer = "peer" in options ? options.peer : "channel" in to ? to.id : to.peer;
    const tag = options.tag ?? ++this.#lastTag;
    const plaintext = new TextEncoder().encode(text);
    const transmit: Transmit = { path, peer, length: plaintext.length, tag };
    const sealed = from.channel.seal(this.nowMs, transmit, plaintext, this.#scratch);
    plaintext.fill(0xaa);
    if (typeof sealed === "number") {
      const bytes = Uint8Array.from(this.#scratch.subarray(0, sealed));
      this.#scratch.fill(0xaa, 0, sealed);
      this.#post(from, { ...transmit, length: sealed }, bytes);
    }
    this.#pollEvents(from);
    return { tag, sealed };
  }

  /** Bytes that nobody has sent, on a connection that there is. */
  inject(link: Link, to: StreamPeer, bytes: Uint8Array): void {
    const side = link.sides.find(({ peer }) => peer === to) as Side;
    this.#deliver(link, side, bytes);
  }

  /** A connection without anything on it. */
  connect(from: StreamPeer, to: StreamPeer): Link {
    const { host } = from.address;
    this.#lastPort = this.#lastPort === 65_535 ? 20_000 : this.#lastPort + 1;
    const remote = this.addresses.parse(`tcp://${host}:${this.#lastPort}`);
    const link: Link = {
      sides: [
        { peer: from, path: { remote: to.address, dialable: true } },
        { peer: to, path: { remote, dialable: false } },
      ],
      isUp: true,
    };
    this.links.push(link);
    return link;
  }

  /** The connection breaks, without a goodbye of anybody. */
  cut(link: Link): void {
    link.isUp = false;
    for (const { peer, path } of link.sides) this.#down(peer, path);
  }

  /** Whether the transport of `peer` takes messages on any connection. */
  setFlow(peer: StreamPeer, open: boolean): void {
    peer.channel.handleNetworkEvent(this.nowMs, { type: "flow", link: 3, open });
  }

  settle(): void {
    for (;;) {
      let progress = false;
      for (const peer of this.peers) if (peer.isUp && this.#drain(peer)) progress = true;
      while (this.#wire[0] !== undefined && this.#wire[0].atMs <= this.nowMs) {
        this.#wire.shift()?.deliver();
        progress = true;
      }
      if (!progress) return;
    }
  }

  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.settle();
      if (until()) return true;
      let nextMs = this.#wire[0]?.atMs;
      for (const { isUp, channel } of this.peers) {
        const atMs = isUp ? channel.nextDeadline()?.atMs : undefined;
        if (atMs !== undefined && (nextMs === undefined || atMs < nextMs)) nextMs = atMs;
      }
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const { isUp, channel } of this.peers) if (isUp) channel.handleTimeout(this.nowMs);
    }
  }

  #drain(peer: StreamPeer): boolean {
    let any = false;
    for (;;) {
      const transmit = peer.channel.pollTransmit(this.nowMs, this.#scratch);
      this.#pollEvents(peer);
      if (transmit === undefined) return any;
      any = true;
      this.#post(peer, transmit, Uint8Array.from(this.#scratch.subarray(0, transmit.length)));
      this.#scratch.fill(0xaa, 0, transmit.length);
    }
  }

  #post(from: StreamPeer, { path, closes: last, tag }: Transmit, bytes: Uint8Array): void {
    const closes = last === true;
    const { channel } = from;
    const outcome = from.onSend(bytes);
    const failed = (reason: "queueFull" | "unreachable") => {
      channel.handleNetworkEvent(this.nowMs, { type: "sendFailed", to: path.remote, tag, reason });
      this.#pollEvents(from);
    };
    if (outcome === "full") {
      failed("queueFull");
      return;
    }
    const link = this.#linkOf(from, path) ?? (closes ? undefined : this.#dial(from, path));
    if (link === undefined) {
      if (!closes) failed("unreachable");
      return;
    }
    this.log.push({ from, bytes, closes });
    const other = link.sides.find(
      ({ peer, path: { remote } }) => peer !== from || remote !== path.remote,
    ) as Side;
    if (outcome === "sent" && bytes.length > 0)
      for (const passed of this.onMessage(bytes, other.peer, link))
        this.#schedule(() => this.#deliver(link, other, passed));
    if (!closes) return;
    this.#schedule(() => {
      if (!link.isUp) return;
      link.isUp = false;
      this.#down(other.peer, other.path);
    });
    this.#closedBy.add(`${from.name} ${path.remote.key}`);
  }

  /** Sides that have closed: nothing is sent or heard there any more. */
  readonly #closedBy = new Set<string>();

  #linkOf(from: StreamPeer, path: Path): Link | undefined {
    if (this.#closedBy.has(`${from.name} ${path.remote.key}`)) return undefined;
    return this.links.findLast(
      ({ isUp, sides }) =>
        isUp && sides.some((side) => side.peer === from && side.path.remote.key === path.remote.key),
    );
  }

  #dial(from: StreamPeer, path: Path): Link | undefined {
    const to = this.peers.find(({ address, isUp }) => isUp && address.key === path.remote.key);
    this.#closedBy.delete(`${from.name} ${path.remote.key}`);
    return to === undefined || !path.dialable ? undefined : this.connect(from, to);
  }

  #schedule(deliver: () => void): void {
    this.#wire.push({ atMs: this.nowMs + this.delayMs, deliver });
  }

  #deliver(link: Link, { peer, path }: Side, bytes: Uint8Array): void {
    if (!link.isUp || !peer.isUp || this.#closedBy.has(`${peer.name} ${path.remote.key}`)) return;
    const borrowed = Uint8Array.from(bytes);
    const opened = peer.channel.open(this.nowMs, path, borrowed);
    if (opened !== undefined) {
      const text = new TextDecoder().decode(opened.plaintext);
      peer.received.push({ text, peer: opened.from.peer, path: opened.from });
      const answer = peer.answer?.(text);
      if (answer !== undefined) this.send(peer, opened.from, answer, { tag: 0 });
    }
    borrowed.fill(0xaa);
    this.#pollEvents(peer);
  }

  #down(peer: StreamPeer, { remote }: Path): void {
    peer.channel.handleNetworkEvent(this.nowMs, { type: "sendFailed", to: remote, reason: "closed" });
    this.#pollEvents(peer);
  }

  #pollEvents({ channel, events }: StreamPeer): void {
    for (let event = channel.pollEvent(); event !== undefined; event = channel.pollEvent())
      events.push(event);
  }
}

export function textsOf({ received }: StreamPeer): string[] {
  return received.map(({ text }) => text);
}
