/**
 * An address that an `AddressTable` has read: what transports send to, and what core takes as an opaque key.
 *
 * There are thousands in a node. So what a reader asks for rarely is made from the key when it is asked for, and what all
 * addresses of one kind share stands in their {@link Route}.
 */
import type { Address } from "./address.ts";
import type { Exemptions } from "./address-exemptions.ts";
import {
  type AddressParts,
  type AddressScheme,
  formatAddressText,
  formatIp,
  readIpv4,
  readIpv6,
} from "./address-text.ts";
import { writePort } from "./address-wire.ts";
import { readU32 } from "./wire/reader.ts";

/** The table that has made an address, which alone takes it for its own. */
export interface AddressOwner {
  readonly exemptions: Exemptions;
}

/** What the addresses of one kind in one table have in common. */
export interface Route {
  link: number;
  maxBytes: number;
  readonly table: AddressOwner;
  /** Position in {@link addressKinds}. */
  readonly index: number;
}

/** An interned address. Immutable, but for `link` and `maxBytes`, which follow the transports that the host has. */
export class SocketAddress implements Address {
  readonly key: string;
  readonly port: number;
  readonly #route: Route;
  /** The bytes in messages; of an IPv4 address the address alone, as a number: seven bytes would take 250 as an array. */
  readonly #wire: number | Uint8Array;
  /** `undefined` until it was asked for, `null` when exempt. */
  #subnet: string | null | undefined = undefined;

  /** @internal Made by an `AddressTable` only. */
  constructor(route: Route, wire: Uint8Array, parts: AddressParts) {
    this.key = formatAddressText(parts);
    this.port = parts.port;
    this.#route = route;
    this.#wire = isIpv4(route.index) ? readU32(wire, 1) | 0 : wire;
  }

  /** The address as it stands in messages; made at each call, except for long ones. */
  get wire(): Uint8Array {
    const ip = this.#wire;
    if (typeof ip !== "number") return ip;
    const tag = this.#route.index + 1;
    return Uint8Array.of(tag, ip >>> 24, ip >>> 16, ip >>> 8, ip, this.port >>> 8, this.port);
  }

  /** Writes {@link wire} to `into` from `at` on, where it has to fit, and returns where it ends. Allocates nothing. */
  writeWire(into: Uint8Array, at: number): number {
    const ip = this.#wire;
    if (typeof ip !== "number") {
      into.set(ip, at);
      return at + ip.length;
    }
    into[at] = this.#route.index + 1;
    into[at + 1] = ip >>> 24;
    into[at + 2] = ip >>> 16;
    into[at + 3] = ip >>> 8;
    into[at + 4] = ip;
    return writePort(this.port, into, at + 5);
  }

  get kind(): number {
    return 1 << this.#route.index;
  }

  get scheme(): AddressScheme {
    return schemes[this.#route.index] as AddressScheme;
  }

  /** An IP address without brackets, or a host name in lower case; cut from {@link key} at each call. */
  get host(): string {
    const { key } = this;
    const start = this.scheme.length + 3;
    if (key[start] === "[") return key.substring(start + 1, key.indexOf("]", start));
    let end = start;
    while (end < key.length && key[end] !== ":" && key[end] !== "/") end++;
    return key.substring(start, end);
  }

  /** `undefined` for a host name. */
  get family(): 4 | 6 | undefined {
    const { index } = this.#route;
    if (index < web) return isIpv4(index) ? 4 : 6;
    const { host } = this;
    if (host.includes(":")) return 6;
    return readIpv4(host, new Uint8Array(4), 0) ? 4 : undefined;
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
  get table(): AddressOwner {
    return this.#route.table;
  }

  /** Whether this is the address in `bytes[offset..offset + length)`. @internal */
  matches(bytes: Uint8Array, offset: number, length: number): boolean {
    const wire = this.#wire;
    if (typeof wire === "number") {
      return (
        length === ipv4WireBytes &&
        bytes[offset] === this.#route.index + 1 &&
        (readU32(bytes, offset + 1) | 0) === wire &&
        ((bytes[offset + 5] as number) << 8) + (bytes[offset + 6] as number) === this.port
      );
    }
    if (wire.length !== length) return false;
    for (let i = 0; i < length; i++) if (wire[i] !== bytes[offset + i]) return false;
    return true;
  }

  /** /24 of an IPv4 address, /64 of IPv6, the last two labels of a name; `undefined` when exempt. Worked out once. @internal */
  get subnet(): string | undefined {
    if (this.#subnet === undefined) {
      const isExempt = this.#route.table.exemptions.has(this.host, this.family);
      this.#subnet = isExempt ? null : subnetOf(this);
    }
    return this.#subnet ?? undefined;
  }

  toString(): string {
    return this.key;
  }
}

/** By position in {@link addressKinds}. */
const schemes: readonly AddressScheme[] = ["udp", "udp", "tcp", "tcp", "ws", "wss"];
/** From here on, the kinds that have a URL. */
const web = 4;
const ipv4WireBytes = 7;

/** udp4 and tcp4: tag, address, port. */
function isIpv4(kindIndex: number): boolean {
  return kindIndex === 0 || kindIndex === 2;
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
