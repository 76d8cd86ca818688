/**
 * Network address translators: what a home router or a carrier puts between a host and the network.
 *
 * The four kinds are those of RFC 3489 §5; in the words of RFC 4787: the first three map independently of the endpoint, the
 * last one by address and port; they filter not at all, by address, and (the last two) by address and port.
 */
import { type Path, type SocketAddress, UsageError } from "@kad/core";
import type { Addressing } from "./addressing.ts";
import type { Endpoint } from "./endpoint.ts";
import type { InstantUs } from "./virtual-time.ts";
import { toUs } from "./virtual-time.ts";

export type NatKind =
  | "fullCone" // whoever knows the mapping gets in
  | "restricted" // only addresses that were sent to
  | "portRestricted" // only addresses and ports that were sent to
  | "symmetric"; // the same, and every one of them sees another port

export interface NatOptions {
  readonly kind: NatKind;
  /** A mapping unused from inside for so long is forgotten, and so is who may answer; 120,000, the least of RFC 4787. */
  readonly mappingMs?: number;
  /** Mappings at once, 1 to 60,000; 4,096 by default. When all are taken the one unused for longest is forgotten. */
  readonly maxMappings?: number;
  /** Whether a host inside reaches another, or itself, at the outside address (RFC 4787 §6); false by default. */
  readonly hairpin?: boolean;
}

/** All of them. */
export const natKinds: readonly NatKind[] = ["fullCone", "restricted", "portRestricted", "symmetric"];
const firstPort = 1_024;
const lastPort = 65_535;

interface Mapping {
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly port: number;
  readonly path: Path;
  usedAtUs: InstantUs;
  /** Who was sent to, and when: by address, or by address and port. */
  readonly peers: Map<string, InstantUs>;
}

export class Nat {
  readonly kind: NatKind;
  /** The outside IPv4 address. */
  readonly ip: string;
  readonly hairpin: boolean;
  readonly #addressing: Addressing;
  readonly #mappingUs: number;
  readonly #maxMappings: number;
  /** The one used longest ago in front. */
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();
  #nextPort = firstPort;
  #hosts = 1;
  /** Mappings that had to go before their time. */
  overflows = 0;

  /** @internal made by `Simulation.addNat` */
  constructor(options: NatOptions, ip: string, addressing: Addressing) {
    const { kind, mappingMs = 120_000, maxMappings = 4_096, hairpin = false } = options;
    demand(natKinds.includes(kind), "kind", kind, natKinds.join(", "));
    demand(mappingMs > 0, "mappingMs", mappingMs, "a number above 0");
    demand(
      maxMappings >= 1 && maxMappings <= 60_000,
      "maxMappings",
      maxMappings,
      "a whole number from 1 to 60000",
    );
    this.kind = kind;
    this.ip = ip;
    this.hairpin = hairpin;
    this.#addressing = addressing;
    this.#mappingUs = toUs(mappingMs);
    this.#maxMappings = maxMappings;
  }

  /** Mappings that have not been forgotten; some may have expired. */
  get mappings(): number {
    return this.#byKey.size;
  }

  /** The address of the next host inside. @internal */
  newPrivateIp(): string {
    const host = ++this.#hosts;
    return `192.168.${host >> 8}.${host & 255}`;
  }

  /** A host inside sends: the source that others see. @internal */
  translate(nowUs: InstantUs, from: Endpoint, to: SocketAddress): Path {
    const key = this.kind === "symmetric" ? `${from.address.key} ${to.host}:${to.port}` : from.address.key;
    const known = this.#byKey.get(key);
    const mapping =
      known !== undefined && this.#isFresh(nowUs, known.usedAtUs) ? known : this.#add(nowUs, key, from);
    mapping.usedAtUs = nowUs;
    this.#byKey.delete(key);
    this.#byKey.set(key, mapping);
    if (this.kind !== "fullCone") this.#remember(nowUs, mapping, this.#peerKey(to));
    return mapping.path;
  }

  /** Who is behind a port, whether or not a packet gets in. @internal */
  behind(nowUs: InstantUs, port: number): Endpoint | undefined {
    const mapping = this.#byPort.get(port);
    return mapping !== undefined && this.#isFresh(nowUs, mapping.usedAtUs) ? mapping.endpoint : undefined;
  }

  /** A packet has arrived for a port: the host inside that gets it, if any. @internal */
  admit(nowUs: InstantUs, port: number, from: SocketAddress): Endpoint | undefined {
    const endpoint = this.behind(nowUs, port);
    if (endpoint === undefined || this.kind === "fullCone") return endpoint;
    const sentAtUs = this.#byPort.get(port)?.peers.get(this.#peerKey(from));
    return sentAtUs !== undefined && this.#isFresh(nowUs, sentAtUs) ? endpoint : undefined;
  }

  /** The router was started anew: everything that it knew is gone. */
  reset(): void {
    this.#byKey.clear();
    this.#byPort.clear();
  }

  #isFresh(nowUs: InstantUs, usedAtUs: InstantUs): boolean {
    return nowUs - usedAtUs < this.#mappingUs;
  }

  #peerKey({ host, port }: SocketAddress): string {
    return this.kind === "restricted" ? host : `${host}:${port}`;
  }

  #remember(nowUs: InstantUs, { peers }: Mapping, peer: string): void {
    peers.delete(peer);
    peers.set(peer, nowUs);
    for (const [other, sentAtUs] of peers) {
      if (this.#isFresh(nowUs, sentAtUs)) break;
      peers.delete(other);
    }
  }

  #add(nowUs: InstantUs, key: string, endpoint: Endpoint): Mapping {
    this.#forget(this.#byKey.get(key));
    for (const mapping of this.#byKey.values()) {
      const isExpired = !this.#isFresh(nowUs, mapping.usedAtUs);
      if (!isExpired && this.#byKey.size < this.#maxMappings) break;
      if (!isExpired) this.overflows++;
      this.#forget(mapping);
    }
    const port = this.#freePort(endpoint.address.port);
    const remote = this.#addressing.parse(`udp://${this.ip}:${port}`);
    const path: Path = { remote, dialable: true };
    const mapping: Mapping = { key, endpoint, port, path, usedAtUs: nowUs, peers: new Map() };
    this.#byKey.set(key, mapping);
    this.#byPort.set(port, mapping);
    return mapping;
  }

  #forget(mapping: Mapping | undefined): void {
    if (mapping === undefined) return;
    this.#byKey.delete(mapping.key);
    this.#byPort.delete(mapping.port);
  }

  /** The host's own where it is free, as routers do; else one after the other. */
  #freePort(wanted: number): number {
    if (!this.#byPort.has(wanted)) return wanted;
    while (this.#byPort.has(this.#nextPort)) this.#turnPort();
    const port = this.#nextPort;
    this.#turnPort();
    return port;
  }

  #turnPort(): void {
    this.#nextPort = this.#nextPort === lastPort ? firstPort : this.#nextPort + 1;
  }
}

function demand(isRight: boolean, name: string, value: unknown, allowed: string): void {
  if (!isRight) throw new UsageError("invalidOption", `nat.${name}: ${String(value)}; allowed is ${allowed}`);
}
