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
import {
  type AddressParts,
  type AddressScheme,
  formatAddressText,
  formatIp,
  isMappedIpv4,
  parseAddressText,
  readIpv4,
  readIpv6,
} from "./address-text.ts";
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
import type { Gauge } from "./stats.ts";
import { readU32 } from "./wire/reader.ts";

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
  /** Replaces the grouping of addresses that are not exempt; see {@link AddressCodec.group}. */
  readonly group?: (address: SocketAddress) => string | undefined;
}

interface Route {
  link: number;
  maxBytes: number;
  readonly table: AddressTable;
  readonly exemptions: Exemptions;
  readonly bit: number;
}

/** An interned address. Immutable, but for `link` and `maxBytes`, which follow the transports that the host has. */
export class SocketAddress implements Address {
  readonly key: string;
  readonly scheme: AddressScheme;
  /** An IP address without brackets, or a host name in lower case. */
  readonly host: string;
  readonly port: number;
  /** `undefined` for a host name. */
  readonly family: 4 | 6 | undefined;
  readonly kind: number;
  readonly #route: Route;
  /** Hash of `wire`, kept by the table that made this. @internal */
  readonly hash: number;
  /** An IPv4 address as a number: its seven bytes in messages would take 250 as an array. */
  readonly #ipv4: number;
  /** The bytes in messages where they are not those of an IPv4 address. */
  readonly #longWire: Uint8Array | undefined;
  #subnet: string | undefined;
  #subnetKnown = false;

  /** @internal Made by an {@link AddressTable} only. */
  constructor(route: Route, wire: Uint8Array, hash: number, parts: AddressParts) {
    this.key = formatAddressText(parts);
    this.scheme = parts.scheme;
    this.host = parts.host;
    this.port = parts.port;
    this.family = parts.ip === undefined ? undefined : parts.ip.length === 4 ? 4 : 6;
    this.kind = route.bit;
    this.#route = route;
    this.hash = hash;
    const isIpv4 = (this.kind & ipv4Kinds) !== 0;
    this.#ipv4 = isIpv4 ? readU32(wire, 1) | 0 : 0;
    this.#longWire = isIpv4 ? undefined : wire;
  }

  /** The address as it stands in messages; made at each call, except for long ones. */
  get wire(): Uint8Array {
    if (this.#longWire !== undefined) return this.#longWire;
    const ip = this.#ipv4;
    const tag = 32 - Math.clz32(this.kind);
    return Uint8Array.of(tag, ip >>> 24, ip >>> 16, ip >>> 8, ip, this.port >>> 8, this.port);
  }

  /** Writes {@link wire} to `into` from `at` on, where it has to fit, and returns where it ends. Allocates nothing. */
  writeWire(into: Uint8Array, at: number): number {
    const wire = this.#longWire;
    if (wire !== undefined) {
      into.set(wire, at);
      return at + wire.length;
    }
    const ip = this.#ipv4;
    into[at] = 32 - Math.clz32(this.kind);
    into[at + 1] = ip >>> 24;
    into[at + 2] = ip >>> 16;
    into[at + 3] = ip >>> 8;
    into[at + 4] = ip;
    return writePort(this.port, into, at + 5);
  }

  /** The address as people write it; the same as `key`. */
  get url(): string {
    return this.key;
  }

  /** {@link noLink} while no transport carries addresses of this kind. */
  get link(): number {
    return this.#route.link;
  }

  get maxBytes(): number {
    return this.#route.maxBytes;
  }

  /** @internal */
  get table(): AddressTable {
    return this.#route.table;
  }

  /** Whether this is the address in `bytes[offset..offset + length)`, of which `hash` is the hash. @internal */
  matches(hash: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.hash !== hash) return false;
    const wire = this.#longWire;
    if (wire === undefined) return length === ipv4WireBytes && this.#matchesIpv4(bytes, offset);
    if (wire.length !== length) return false;
    for (let i = 0; i < length; i++) if (wire[i] !== bytes[offset + i]) return false;
    return true;
  }

  #matchesIpv4(bytes: Uint8Array, offset: number): boolean {
    return (
      1 << ((bytes[offset] as number) - 1) === this.kind &&
      (readU32(bytes, offset + 1) | 0) === this.#ipv4 &&
      ((bytes[offset + 5] as number) << 8) + (bytes[offset + 6] as number) === this.port
    );
  }

  /** /24 of an IPv4 address, /64 of IPv6, the last two labels of a name; `undefined` when exempt. Worked out once. @internal */
  get subnet(): string | undefined {
    if (!this.#subnetKnown) {
      this.#subnet = this.#route.exemptions.has(this.host, this.family) ? undefined : subnetOf(this);
      this.#subnetKnown = true;
    }
    return this.#subnet;
  }

  toString(): string {
    return this.key;
  }
}

/** udp4 and tcp4: tag, address, port. */
const ipv4Kinds = 0b101;
const ipv4WireBytes = 7;
/** Ways of each set: so many addresses that hash alike are kept, the most recently used. */
const ways = 8;
const defaultMaxInterned = 4_096;
const firstSets = 8;
/** What a transport of its kind carries at least; the transport's own number replaces it. */
const defaultDatagramBytes = 1_200;
const defaultStreamBytes = 2 ** 20;

export class AddressTable implements AddressCodec {
  readonly #routes: readonly Route[];
  /** A power of two of them, up to `#maxSets`: doubled when half full. */
  #sets: (SocketAddress[] | undefined)[];
  readonly #maxSets: number;
  readonly #group: ((address: SocketAddress) => string | undefined) | undefined;
  readonly #scratch: Uint8Array = new Uint8Array(maxAddressBytes);
  #dialable = 0;
  #interned = 0;

  /** @throws UsageError `invalidOption` for an `exempt` entry that cannot be read, or a `maxInterned` below 8 */
  constructor(options: AddressTableOptions = {}) {
    const { exempt = [], maxInterned = defaultMaxInterned, group } = options;
    if (!Number.isInteger(maxInterned) || maxInterned < ways || maxInterned > 2 ** 24) {
      throw new UsageError(
        "invalidOption",
        `maxInterned: ${String(maxInterned)}; allowed is a whole number from 8 to 16777216`,
      );
    }
    const exemptions = new Exemptions(exempt);
    this.#group = group;
    this.#maxSets = 2 ** Math.floor(Math.log2(maxInterned / ways));
    this.#sets = new Array<SocketAddress[] | undefined>(Math.min(firstSets, this.#maxSets)).fill(undefined);
    this.#routes = addressKinds.map((_kind, index) => ({
      link: noLink,
      maxBytes: index < 2 ? defaultDatagramBytes : defaultStreamBytes,
      table: this,
      exemptions,
      bit: 1 << index,
    }));
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
    const route = this.#routes[addressKinds.indexOf(kind)];
    if (route === undefined) {
      throw new UsageError(
        "invalidArgument",
        `kind: ${String(kind)}; allowed are ${addressKinds.join(", ")}`,
      );
    }
    if (link === undefined) {
      route.link = noLink;
      this.#dialable &= ~route.bit;
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
    route.maxBytes = link.maxBytes;
    this.#dialable |= route.bit;
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
    const scratch = this.#scratch;
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
    const scratch = this.#scratch;
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

  #find(hash: number, bytes: Uint8Array, offset: number, length: number): SocketAddress | undefined {
    const set = this.#sets[hash & (this.#sets.length - 1)];
    if (set === undefined) return undefined;
    for (let i = 0; i < set.length; i++) {
      const address = set[i] as SocketAddress;
      if (!address.matches(hash, bytes, offset, length)) continue;
      for (let j = i; j > 0; j--) set[j] = set[j - 1] as SocketAddress;
      set[0] = address;
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
    const address = new SocketAddress(this.#routes[(wire[0] as number) - 1] as Route, wire, hash, parts);
    if (this.#interned >= (this.#sets.length * ways) / 2 && this.#sets.length < this.#maxSets) this.#grow();
    this.#put(hash, address);
    return address;
  }

  /** In front of its set; the one used longest ago makes room. */
  #put(hash: number, address: SocketAddress): void {
    const index = hash & (this.#sets.length - 1);
    // A new array is as long as it needs to be; one that `unshift` grows has room for 16 more.
    const set = [address, ...(this.#sets[index] ?? [])];
    if (set.length > ways) set.pop();
    else this.#interned++;
    this.#sets[index] = set;
  }

  #grow(): void {
    const sets = this.#sets;
    this.#sets = new Array<SocketAddress[] | undefined>(sets.length * 2).fill(undefined);
    this.#interned = 0;
    for (const set of sets) for (const address of set?.toReversed() ?? []) this.#put(address.hash, address);
  }
}

/** FNV-1a; quality matters little where a set is bounded. */
function hashOf(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}

function subnetOf(address: SocketAddress): string {
  const { host, family } = address;
  if (family === undefined) return host.split(".").slice(-2).join(".");
  const ip = ipOf(host, family);
  const length = family === 4 ? 24 : 64;
  ip.fill(0, length / 8);
  return `${formatIp(ip, 0, ip.length)}/${length}`;
}

function ipOf(host: string, family: 4 | 6): Uint8Array {
  const ip = new Uint8Array(family === 4 ? 4 : 16);
  if (family === 4) readIpv4(host, ip, 0);
  else readIpv6(host, ip, 0);
  return ip;
}
