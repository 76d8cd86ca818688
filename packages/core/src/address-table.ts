/**
 * The native codec of addresses: tagged bytes on the wire, URLs to people, one interned object for each to core.
 *
 * The bytes of an address are its identity here: a socket's remote, an address in a message and a typed URL all become
 * wire bytes first, and a set-associative cache finds the object for them without building a string. Bounded sets, and
 * not a `Map`, because strangers choose what is looked up: whoever aims many addresses at one set slows nothing down and
 * only evicts within that set. An evicted address stays valid; equality is by `key`, never by object.
 *
 * Each address has one form on the wire and one text; other forms are malformed on the wire, and made canonical in text.
 */
import type { Address, AddressCodec } from "./address.ts";
import { Exemptions } from "./address-exemptions.ts";
import { type AddressParts, isMappedIpv4, parseAddressText, readIpv4, readIpv6 } from "./address-text.ts";
import {
  type AddressKind,
  addressKinds,
  addressLength,
  maxAddressBytes,
  readAddressParts,
  whyUnusable,
  writeAddressParts,
  writePort,
} from "./address-wire.ts";
import { copyBytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";
import { type Route, SocketAddress } from "./socket-address.ts";
import type { Gauge } from "./stats.ts";

export { type AddressKind, addressKinds } from "./address-wire.ts";

/** `Address.link` of an address that no transport carries; links are numbered from 1. */
export const noLink = 0;

/** How the addresses of one kind are sent to; given by the router of transports. */
export interface AddressLink {
  /** 1 or more. */
  readonly link: number;
  /** Largest message on it, in bytes. */
  readonly maxBytes: number;
}

export interface AddressTableOptions {
  /**
   * Addresses without a group, so that subnet limits do not count them: `private` (RFC 1918, fc00::/7 and link-local), a
   * CIDR block (`10.0.0.0/8`, `fd00::/8`) or a domain's subdomains (`*.example`). Loopback always is exempt.
   */
  readonly exempt?: readonly string[];
  /** Addresses kept for reuse, in multiples of 8 from 8 on; 4096 by default. */
  readonly maxInterned?: number;
  /**
   * What a secure channel adds to each message, in bytes, 0 to 512; 0 by default. Addresses then carry so much less
   * (`Address.maxBytes`), so that a sealed message still fits its link.
   */
  readonly overheadBytes?: number;
  /** Replaces the grouping of addresses that are not exempt; see {@link AddressCodec.group}. */
  readonly group?: (address: SocketAddress) => string | undefined;
}

/** Ways of each set: so many addresses that hash alike are kept, the most recently used. */
const ways = 8;
const defaultMaxInterned = 4_096;
/** What a transport of its kind carries at least; the transport's own number replaces it. */
const defaultDatagramBytes = 1_200;
const defaultStreamBytes = 2 ** 20;
/** For an address that is being read; one for all tables, since nothing else is called meanwhile. */
const scratch = new Uint8Array(maxAddressBytes);
const nothingExempt = new Exemptions([]);
const maxOverheadBytes = 512;

export class AddressTable implements AddressCodec {
  /** @internal */
  readonly exemptions: Exemptions;
  /** By position in {@link addressKinds}; made when an address or a link of its kind is. */
  readonly #routes = new Array<Route | undefined>(addressKinds.length).fill(undefined);
  /**
   * Sets of {@link ways} places, each filled from its front; a power of two of sets, up to `#maxSets`: doubled when five
   * of eight places are full, where few sets have more than they hold.
   */
  #places = new Array<SocketAddress | undefined>(ways).fill(undefined);
  readonly #maxSets: number;
  readonly #group: ((address: SocketAddress) => string | undefined) | undefined;
  readonly #overheadBytes: number;
  #dialable = 0;
  #interned = 0;

  /**
   * @throws UsageError `invalidOption` for an `exempt` entry that cannot be read, a `maxInterned` below 8 or an
   * `overheadBytes` out of its range
   */
  constructor(options: AddressTableOptions = {}) {
    const { exempt = [], maxInterned = defaultMaxInterned, overheadBytes = 0, group } = options;
    if (!Number.isInteger(maxInterned) || maxInterned < ways || maxInterned > 2 ** 24) {
      throw new UsageError(
        "invalidOption",
        `maxInterned: ${String(maxInterned)}; allowed is a whole number from 8 to 16777216`,
      );
    }
    if (!Number.isInteger(overheadBytes) || overheadBytes < 0 || overheadBytes > maxOverheadBytes) {
      throw new UsageError(
        "invalidOption",
        `overheadBytes: ${String(overheadBytes)}; allowed is a whole number from 0 to ${maxOverheadBytes}`,
      );
    }
    this.exemptions = exempt.length === 0 ? nothingExempt : new Exemptions(exempt);
    this.#group = group;
    this.#overheadBytes = overheadBytes;
    this.#maxSets = 1 << Math.floor(Math.log2(maxInterned / ways));
  }

  /** The kinds that have a link, as bits. */
  get dialable(): number {
    return this.#dialable;
  }

  /** How many addresses are kept for reuse. */
  get interned(): Gauge {
    return { used: this.#interned, limit: this.#maxSets * ways };
  }

  /**
   * Says which link carries addresses of a kind, or none any more; addresses made before follow.
   * @throws UsageError `invalidArgument` for an unknown kind, or a link or size that is no whole number of at least 1
   */
  setLink(kind: AddressKind, link: AddressLink | undefined): void {
    const index = addressKinds.indexOf(kind);
    if (index < 0) {
      throw new UsageError(
        "invalidArgument",
        `kind: ${String(kind)}; allowed are ${addressKinds.join(", ")}`,
      );
    }
    const route = this.#route(index);
    if (link === undefined) {
      route.link = noLink;
      this.#dialable &= ~(1 << index);
      return;
    }
    for (const name of ["link", "maxBytes"] as const) {
      if (!Number.isInteger(link[name]) || link[name] < 1) {
        throw new UsageError(
          "invalidArgument",
          `${kind} ${name}: ${String(link[name])}; allowed are whole numbers from 1`,
        );
      }
    }
    route.link = link.link;
    route.maxBytes = Math.max(0, link.maxBytes - this.#overheadBytes);
    this.#dialable |= 1 << index;
  }

  /**
   * Reads a URL; text that is not canonical is made so. With `listening` the port may be 0 and the host unspecified
   * (`0.0.0.0`, `[::]`): an address to bind a socket to, which others could not dial.
   * @throws UsageError `invalidAddress` that names the text and what is wrong with it
   */
  parse(text: string, options: { readonly listening?: boolean } = {}): SocketAddress {
    const parts = typeof text === "string" ? parseAddressText(text) : "it is not a string";
    const reason = typeof parts === "string" ? parts : whyUnusable(parts, options.listening === true);
    if (typeof parts === "string" || reason !== undefined) {
      throw new UsageError("invalidAddress", `address "${String(text).slice(0, 200)}": ${reason}`);
    }
    const length = writeAddressParts(parts, scratch);
    const hash = hashOf(scratch, 0, length);
    return this.#find(hash, scratch, 0, length) ?? this.#intern(hash, scratch, 0, length, parts);
  }

  /**
   * The address of a socket's other end, as the operating system names it. Called for every datagram: allocates nothing
   * for an address that is interned. IPv4-mapped IPv6 gives the IPv4 address; `undefined` for what cannot be dialled
   * from anywhere (a host name, a zone id, an unspecified or multicast address, a port outside 1 to 65535).
   */
  fromSocket(kind: "udp4" | "udp6" | "tcp4" | "tcp6", host: string, port: number): SocketAddress | undefined {
    if (!(port >= 1 && port <= 65_535)) return undefined;
    let ipBytes = 4;
    if (host.includes(":")) {
      if (!readIpv6(host, scratch, 1)) return undefined;
      if (isMappedIpv4(scratch, 1)) scratch.copyWithin(1, 13, 17);
      else ipBytes = 16;
    } else if (!readIpv4(host, scratch, 1)) return undefined;
    scratch[0] = (kind === "udp4" || kind === "udp6" ? 1 : 3) + (ipBytes === 16 ? 1 : 0);
    return this.decode(scratch, 0, writePort(port, scratch, 1 + ipBytes));
  }

  /** See {@link AddressCodec.decode}. Allocates nothing for an address that is interned. */
  decode(bytes: Uint8Array, offset: number, length: number): SocketAddress | undefined {
    const size = addressLength(bytes, offset, length);
    if (size === undefined) return undefined;
    const hash = hashOf(bytes, offset, size);
    const known = this.#find(hash, bytes, offset, size);
    if (known !== undefined) return known;
    const parts = readAddressParts(bytes, offset, size);
    return parts === undefined ? undefined : this.#intern(hash, bytes, offset, size, parts);
  }

  /**
   * /24 for IPv4, /64 for IPv6, the last two labels for a host name, or what the host's own function says.
   * `undefined`: exempt. An address of another table counts as the same address here.
   */
  group(address: Address): string | undefined {
    const own = this.#own(address);
    if (own === undefined) return address.key;
    const subnet = own.subnet;
    return subnet === undefined || this.#group === undefined ? subnet : this.#group(own);
  }

  /** The IPv4 address or host name, or the /64 of an IPv6 address, since that is what one host commonly has. */
  source(address: Address): string | undefined {
    const own = this.#own(address);
    if (own === undefined) return address.key;
    return own.subnet === undefined || own.family === 6 ? own.subnet : own.host;
  }

  #own(address: Address): SocketAddress | undefined {
    if (address instanceof SocketAddress && address.table === this) return address;
    return this.decode(address.wire, 0, address.wire.length);
  }

  #route(index: number): Route {
    const known = this.#routes[index];
    if (known !== undefined) return known;
    const carried = index < 2 ? defaultDatagramBytes : defaultStreamBytes;
    const maxBytes = carried - this.#overheadBytes;
    const route: Route = { link: noLink, maxBytes, table: this, index };
    this.#routes[index] = route;
    return route;
  }

  /** Where the set of this hash begins. */
  #setOf(hash: number): number {
    return Math.imul(hash, ways) & (this.#places.length - 1);
  }

  #find(hash: number, bytes: Uint8Array, offset: number, length: number): SocketAddress | undefined {
    const places = this.#places;
    const first = this.#setOf(hash);
    for (let i = first; i < first + ways; i++) {
      const address = places[i];
      if (address === undefined) return undefined;
      if (!address.matches(bytes, offset, length)) continue;
      for (let j = i; j > first; j--) places[j] = places[j - 1];
      places[first] = address;
      return address;
    }
    return undefined;
  }

  #intern(
    hash: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    parts: AddressParts,
  ): SocketAddress {
    const wire = copyBytes(bytes, offset, offset + length);
    const address = new SocketAddress(this.#route((wire[0] as number) - 1), wire, parts);
    const isCrowded = this.#interned >= (5 * this.#places.length) / 8;
    if (isCrowded && this.#places.length < this.#maxSets * ways) this.#grow();
    this.#put(hash, address);
    return address;
  }

  /** In front of its set; the one used longest ago makes room. */
  #put(hash: number, address: SocketAddress): void {
    const places = this.#places;
    const first = this.#setOf(hash);
    const last = first + ways - 1;
    if (places[last] === undefined) this.#interned++;
    for (let i = last; i > first; i--) places[i] = places[i - 1];
    places[first] = address;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Array<SocketAddress | undefined>(before.length * 2).fill(undefined);
    this.#interned = 0;
    // From the back of each set, so that the most recently used come in front again.
    for (const address of before.toReversed()) {
      if (address === undefined) continue;
      const { wire } = address;
      this.#put(hashOf(wire, 0, wire.length), address);
    }
  }
}

/** FNV-1a; quality matters little where a set is bounded. */
function hashOf(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}
