/**
 * Whole nodes on one virtual clock, each in its channel, joined by a wire that delays and loses.
 */

import type {
  Commands,
  Machine,
  NodeEvent,
  NodeOptions,
  QueryFinished,
  QueryId,
  SocketAddress,
} from "@kad/core";
import { AddressTable, KadNode } from "@kad/core";
import { Credentials, type CredentialsOptions } from "../../src/credentials.ts";
import { type DatagramChannel, secureDatagrams } from "../../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../../src/identity.ts";
import { secure } from "../../src/secure.ts";
import { native } from "./providers.ts";
import { SeededRandom } from "./random.ts";

export interface SecureHost {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly channel: DatagramChannel;
  readonly address: SocketAddress;
  readonly events: NodeEvent[];
  isUp: boolean;
}

interface Datagram {
  readonly atMs: number;
  readonly from: SocketAddress;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export class NodeNetwork {
  nowMs = 1_000;
  readonly addresses: AddressTable = new AddressTable();
  readonly hosts: SecureHost[] = [];
  /** Packets sent, by their first byte. */
  readonly sentByType = new Array<number>(256).fill(0);
  readonly random: SeededRandom;
  loss = 0;
  delayMs = 10;
  readonly #wire: Datagram[] = [];
  readonly #byAddress = new Map<string, SecureHost>();
  readonly #scratch = new Uint8Array(1_200);

  constructor(seed: string | number = 1) {
    this.random = new SeededRandom(`nodes ${seed}`);
    this.addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
  }

  add(url: string, node: Partial<NodeOptions> = {}, given: Partial<CredentialsOptions> = {}): SecureHost {
    const { addresses, nowMs, random } = this;
    const credentials = new Credentials({
      provider: native,
      identity: SeedIdentity.generate(native, new SeededRandom(`identity of ${url}`)),
      keys: new SeededRandom(`keys of ${url}`),
      nowMs,
      ...given,
    });
    const channel = secureDatagrams({ credentials, random, addresses, nowMs });
    const inner = new KadNode({
      id: credentials.id,
      random,
      sha256: (bytes) => native.sha256(bytes),
      addresses,
      padRequests: false,
      ...node,
    });
    const address = addresses.parse(url);
    const host: SecureHost = { machine: secure(inner, channel), channel, address, events: [], isUp: true };
    this.hosts.push(host);
    this.#byAddress.set(address.key, host);
    host.machine.handleNetworkEvent(nowMs, { type: "addressesChanged", addresses: [address] });
    return host;
  }

  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.#settle();
      if (until()) return true;
      const nextMs = this.#nextMs();
      if (nextMs === undefined || nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const { isUp, machine } of this.hosts) if (isUp) machine.handleTimeout(this.nowMs);
    }
  }

  finish({ events }: SecureHost, query: QueryId, forMs = 120_000): QueryFinished {
    const find = () => events.find((event) => event.type === "queryFinished" && event.query === query);
    if (!this.run(forMs, () => find() !== undefined)) throw new Error(`query ${query} did not end`);
    return find() as QueryFinished;
  }

  #settle(): void {
    for (;;) {
      let progress = false;
      for (const host of this.hosts) if (host.isUp && this.#drain(host)) progress = true;
      while (this.#wire[0] !== undefined && this.#wire[0].atMs <= this.nowMs) {
        const { to, from, bytes } = this.#wire.shift() as Datagram;
        const host = this.#byAddress.get(to);
        if (host?.isUp)
          host.machine.handleNetworkEvent(this.nowMs, {
            type: "message",
            from: { remote: from, dialable: true },
            bytes,
          });
        bytes.fill(0xaa);
        progress = true;
      }
      if (!progress) return;
    }
  }

  #drain({ machine, address, events }: SecureHost): boolean {
    let any = false;
    for (;;) {
      const transmit = machine.pollTransmit(this.nowMs, this.#scratch);
      if (transmit === undefined) break;
      any = true;
      if (transmit.deferred) continue;
      const bytes = Uint8Array.from(this.#scratch.subarray(0, transmit.length));
      this.#scratch.fill(0xaa);
      this.sentByType[bytes[0] as number] = (this.sentByType[bytes[0] as number] as number) + 1;
      if (this.random.share() < this.loss) continue;
      this.#wire.push({
        atMs: this.nowMs + this.delayMs,
        from: address,
        to: transmit.path.remote.key,
        bytes,
      });
    }
    for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent())
      events.push(event);
    return any;
  }

  #nextMs(): number | undefined {
    let nextMs = this.#wire[0]?.atMs;
    for (const { isUp, machine } of this.hosts) {
      const atMs = isUp ? machine.nextDeadline()?.atMs : undefined;
      if (atMs !== undefined && (nextMs === undefined || atMs < nextMs)) nextMs = atMs;
    }
    return nextMs;
  }
}
