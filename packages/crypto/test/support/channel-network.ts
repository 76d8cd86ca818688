/**
 * Channels over datagrams on one virtual clock, joined by a wire on which a test may do what it likes.
 *
 * What is borrowed is overwritten as soon as a call has returned, so that nothing can keep it unnoticed.
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
import {
  type DatagramChannel,
  type DatagramChannelOptions,
  secureDatagrams,
} from "../../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../../src/identity.ts";
import type { CryptoProvider } from "../../src/provider.ts";
import { native } from "./providers.ts";
import { SeededRandom } from "./random.ts";

export interface Packet {
  readonly from: SocketAddress;
  readonly to: SocketAddress;
  readonly bytes: Uint8Array;
  readonly sentAtMs: number;
}

interface Received {
  readonly text: string;
  readonly peer: NodeId;
  readonly from: string;
}

export interface Peer {
  readonly name: string;
  readonly channel: DatagramChannel;
  readonly credentials: Credentials;
  readonly id: NodeId;
  /** May be changed: the peer then speaks from there. */
  address: SocketAddress;
  readonly received: Received[];
  readonly events: ChannelEvent[];
  /** What it says to a message, at once, as a node would. */
  answer: ((text: string) => string | undefined) | undefined;
  /** Answers that are sent before anything of the channel's own. */
  readonly answers: { readonly to: Path; readonly text: string }[];
  isUp: boolean;
}

export interface NetworkOptions {
  readonly seed?: string | number;
  readonly delayMs?: number;
  /** What becomes of a packet: as it is by default. */
  readonly onPacket?: (packet: Packet, network: ChannelNetwork) => readonly Packet[];
}

export interface PeerOptions {
  readonly provider?: CryptoProvider;
  readonly url?: string;
  readonly credentials?: Partial<CredentialsOptions>;
  readonly channel?: Partial<DatagramChannelOptions>;
}

export class ChannelNetwork {
  nowMs = 1_000;
  readonly addresses = new AddressTable();
  readonly peers: Peer[] = [];
  /** Everything that was sent, whatever became of it. */
  readonly log: Packet[] = [];
  readonly random: SeededRandom;
  delayMs: number;
  onPacket: NonNullable<NetworkOptions["onPacket"]>;
  readonly #wire: { readonly packet: Packet; readonly atMs: number; readonly order: number }[] = [];
  readonly #scratch = new Uint8Array(1_200);
  #order = 0;
  #lastTag = 0;

  constructor({ seed = 1, delayMs = 10, onPacket }: NetworkOptions = {}) {
    this.random = new SeededRandom(`network ${seed}`);
    this.delayMs = delayMs;
    this.onPacket = onPacket ?? ((packet) => [packet]);
    this.addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
  }

  /** Peers live in subnets of their own, so that limits count. */
  add(name: string, options: PeerOptions = {}): Peer {
    const { provider = native, credentials: given = {}, channel: settings = {} } = options;
    const url = options.url ?? `udp://10.${this.peers.length >> 8}.${this.peers.length & 255}.7:4000`;
    const credentials = new Credentials({
      provider,
      identity: SeedIdentity.generate(provider, new SeededRandom(`identity of ${name}`)),
      keys: new SeededRandom(`keys of ${name}`),
      nowMs: this.nowMs,
      ...given,
    });
    const channel = secureDatagrams({
      credentials,
      random: new SeededRandom(`random of ${name}`),
      addresses: this.addresses,
      nowMs: this.nowMs,
      ...settings,
    });
    const peer: Peer = {
      name,
      channel,
      credentials,
      id: credentials.id,
      address: this.addresses.parse(url),
      received: [],
      events: [],
      answer: undefined,
      answers: [],
      isUp: true,
    };
    this.peers.push(peer);
    return peer;
  }

  /** Hands a message to the channel, as a node would, and returns its tag. */
  send(from: Peer, to: Peer | SocketAddress, text: string, options: SendOptions = {}): number {
    const address = "channel" in to ? to.address : to;
    const peer = "peer" in options ? options.peer : "channel" in to ? to.id : undefined;
    const tag = options.tag ?? ++this.#lastTag;
    const transmit: Transmit = {
      path: { remote: address, dialable: true },
      peer,
      length: text.length,
      tag,
    };
    const sealed = this.#seal(from, transmit, text);
    options.onSealed?.(sealed);
    return tag;
  }

  /** Puts bytes on the wire that nobody has sent. */
  inject(from: SocketAddress, to: Peer, bytes: Uint8Array): void {
    this.#deliver({ from, to: to.address, bytes: Uint8Array.from(bytes), sentAtMs: this.nowMs });
  }

  /** Everything that can happen at this instant happens. */
  settle(): void {
    for (;;) {
      let progress = false;
      for (const peer of this.peers) if (peer.isUp && this.#drain(peer)) progress = true;
      while (this.#wire[0] !== undefined && this.#wire[0].atMs <= this.nowMs) {
        this.#deliver((this.#wire.shift() as { packet: Packet }).packet);
        progress = true;
      }
      if (!progress) return;
    }
  }

  /** Runs for so long, or until something is so; `false` when time ran out. */
  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.settle();
      if (until()) return true;
      const nextMs = this.#nextMs();
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const peer of this.peers) if (peer.isUp) peer.channel.handleTimeout(this.nowMs);
    }
  }

  /** A session with a first message each way. */
  join(a: Peer, b: Peer): void {
    const { answer } = b;
    b.answer = () => "welcome";
    this.send(a, b, "hello");
    if (!this.run(5_000, () => a.received.length > 0)) throw new Error(`${a.name} did not reach ${b.name}`);
    b.answer = answer;
    this.run(1_000);
    for (const { received, events } of [a, b]) {
      received.length = 0;
      events.length = 0;
    }
    this.log.length = 0;
  }

  /** Later than what is on the wire. */
  schedule(packet: Packet, inMs: number): void {
    const entry = { packet, atMs: this.nowMs + inMs, order: this.#order++ };
    const at = this.#wire.findIndex(({ atMs }) => atMs > entry.atMs);
    this.#wire.splice(at < 0 ? this.#wire.length : at, 0, entry);
  }

  #seal(from: Peer, transmit: Transmit, text: string): number | "pending" | "refused" {
    const plaintext = new TextEncoder().encode(text);
    const sealed = from.channel.seal(this.nowMs, transmit, plaintext, this.#scratch);
    plaintext.fill(0xaa);
    if (typeof sealed === "number") this.#post(from, { ...transmit, length: sealed });
    this.#pollEvents(from);
    return sealed;
  }

  #drain(peer: Peer): boolean {
    let any = false;
    for (let next = peer.answers.shift(); next !== undefined; next = peer.answers.shift()) {
      const { to, text } = next;
      const transmit: Transmit = { path: to, peer: to.peer, length: text.length, tag: 0 };
      this.#seal(peer, transmit, text);
      any = true;
    }
    for (;;) {
      const transmit = peer.channel.pollTransmit(this.nowMs, this.#scratch);
      this.#pollEvents(peer);
      if (transmit === undefined) return any;
      any = true;
      this.#post(peer, transmit);
    }
  }

  #pollEvents(peer: Peer): void {
    for (let event = peer.channel.pollEvent(); event !== undefined; event = peer.channel.pollEvent())
      peer.events.push(event);
  }

  #post(from: Peer, { path, length }: Transmit): void {
    const bytes = Uint8Array.from(this.#scratch.subarray(0, length));
    this.#scratch.fill(0xaa);
    const packet = { from: from.address, to: path.remote as SocketAddress, bytes, sentAtMs: this.nowMs };
    this.log.push(packet);
    for (const passed of this.onPacket(packet, this)) this.schedule(passed, this.delayMs);
  }

  #deliver({ from, to, bytes }: Packet): void {
    const peer = this.peers.find(({ address }) => address.key === to.key);
    if (peer === undefined || !peer.isUp) return;
    const borrowed = Uint8Array.from(bytes);
    const opened = peer.channel.open(this.nowMs, { remote: from, dialable: true }, borrowed);
    if (opened !== undefined) {
      const { from: path, plaintext } = opened;
      const text = new TextDecoder().decode(plaintext);
      peer.received.push({ text, peer: path.peer, from: path.remote.key });
      const answer = peer.answer?.(text);
      if (answer !== undefined) peer.answers.push({ to: path, text: answer });
    }
    borrowed.fill(0xaa);
    this.#pollEvents(peer);
  }

  #nextMs(): number | undefined {
    let nextMs = this.#wire[0]?.atMs;
    for (const { channel, isUp } of this.peers) {
      const atMs = isUp ? channel.nextDeadline()?.atMs : undefined;
      if (atMs !== undefined && (nextMs === undefined || atMs < nextMs)) nextMs = atMs;
    }
    return nextMs;
  }
}

export interface SendOptions {
  readonly peer?: NodeId | undefined;
  /** 0: a reply. */
  readonly tag?: number;
  readonly onSealed?: (sealed: number | "pending" | "refused") => void;
}

/** Packets by the name of their first byte. */
export function typesOf(packets: readonly Packet[]): string[] {
  const names = ["", "", "", "", "", "hello", "challenge", "handshake", "accept", "data", "reset"];
  return packets.map(({ bytes }) => names[bytes[0] as number] ?? "?");
}

export function textsOf({ received }: Peer): string[] {
  return received.map(({ text }) => text);
}
