/**
 * What the network carries: messages, bytes, and addresses that a node begins to talk to.
 *
 * The last is what fills the table of a home router: an entry for each remote endpoint, kept for as long as packets come. One
 * is new when the node has sent nothing there for two minutes, the shortest time that a NAT may keep a mapping (RFC 4787,
 * REQ-5). It is counted of some hosts only, since each takes room for all whom it talks to.
 */
import type { Address } from "@kad/core";
import type { Observer } from "../observer.ts";
import type { Packet } from "../packet.ts";
import type { SimHost } from "../sim-host.ts";
import { type InstantUs, minuteMs, toUs } from "../virtual-time.ts";
import type { Population } from "./population.ts";

const mappingUs = toUs(2 * minuteMs);
/** Forgotten endpoints are swept out when there are so many, and after that when there are twice as many. */
const firstSweep = 256;

/** What nodes send, on average over those that ran and the time they did. */
export interface TrafficReport {
  /** Time that nodes ran, added up. */
  readonly nodeHours: number;
  readonly messagesPerNodeHour: number;
  /** Of messages alone. */
  readonly bytesPerNodeHour: number;
  /** With the headers of UDP and IP. */
  readonly wireBytesPerNodeHour: number;
  /** The same for each second. */
  readonly wireBytesPerNodeSecond: number;
  /** Addresses sent to that had not been for two minutes. */
  readonly newEndpointsPerNodeMinute: number;
}

export class TrafficMeter implements Observer {
  readonly #population: Population;
  readonly #stride: number;
  readonly #contacts = new Map<SimHost, Endpoints>();
  #messages = 0;
  #bytes = 0;
  #wireBytes = 0;
  #sampledMessages = 0;
  #newEndpoints = 0;
  #began = { nodeMs: 0 };

  /** @param stride of so many hosts one is looked at for its endpoints */
  constructor(population: Population, stride: number) {
    this.#population = population;
    this.#stride = stride;
  }

  onSend(nowUs: InstantUs, { from, to, bytes }: Packet): void {
    this.#messages++;
    this.#bytes += bytes.length;
    this.#wireBytes += bytes.length + from.headerBytes;
    if (from.host.index % this.#stride === 0) this.#onSampled(nowUs, from.host, to);
  }

  /** Counts from here on; what endpoints were talked to before is known still. */
  begin(nowMs: number): void {
    this.#messages = 0;
    this.#bytes = 0;
    this.#wireBytes = 0;
    this.#sampledMessages = 0;
    this.#newEndpoints = 0;
    this.#began = { nodeMs: this.#population.nodeMs(nowMs) };
  }

  report(nowMs: number): TrafficReport {
    const nodeMs = this.#population.nodeMs(nowMs) - this.#began.nodeMs;
    const nodeHours = nodeMs / (60 * minuteMs);
    const per = (amount: number): number => (nodeHours === 0 ? 0 : amount / nodeHours);
    // Hosts that are looked at send as much as others do.
    const share = this.#sampledMessages === 0 ? 1 : this.#sampledMessages / this.#messages;
    return {
      nodeHours,
      messagesPerNodeHour: per(this.#messages),
      bytesPerNodeHour: per(this.#bytes),
      wireBytesPerNodeHour: per(this.#wireBytes),
      wireBytesPerNodeSecond: per(this.#wireBytes) / 3_600,
      newEndpointsPerNodeMinute: per(this.#newEndpoints / share) / 60,
    };
  }

  #onSampled(nowUs: InstantUs, host: SimHost, to: Address): void {
    this.#sampledMessages++;
    let endpoints = this.#contacts.get(host);
    if (endpoints === undefined) {
      endpoints = new Endpoints();
      this.#contacts.set(host, endpoints);
    }
    if (endpoints.isNew(nowUs, to)) this.#newEndpoints++;
  }
}

/** Those that one host talks to. */
class Endpoints {
  readonly #usedAtUs = new Map<Address, InstantUs>();
  #sweepAt = firstSweep;

  isNew(nowUs: InstantUs, to: Address): boolean {
    const usedAtUs = this.#usedAtUs.get(to);
    this.#usedAtUs.set(to, nowUs);
    if (this.#usedAtUs.size > this.#sweepAt) this.#sweep(nowUs);
    return usedAtUs === undefined || nowUs - usedAtUs > mappingUs;
  }

  #sweep(nowUs: InstantUs): void {
    for (const [address, usedAtUs] of this.#usedAtUs)
      if (nowUs - usedAtUs > mappingUs) this.#usedAtUs.delete(address);
    this.#sweepAt = Math.max(firstSweep, 2 * this.#usedAtUs.size);
  }
}
