/**
 * Addresses of a simulation: one table for all hosts, so that an address is one object however many know it, and a plan by
 * which every host gets a subnet of its own: limits on subnets are then really on, and hit nobody by chance.
 */
import { type Address, type AddressCodec, AddressTable, type SocketAddress, UsageError } from "@kad/core";

/** Address families that a host has: IPv4, IPv6, or both. */
export type Families = "ipv4" | "ipv6" | "both";

export const usualPort = 4_100;
/** Room for the addresses of any network that fits in memory, and for those that liars make up. */
const maxInterned = 2 ** 20;

/** One address space. */
export class Addressing {
  readonly table: AddressTable;
  readonly #codecs: Readonly<Record<Families, AddressCodec>>;
  #subnets4 = 0;
  #subnets6 = 0;

  /**
   * @param maxMessageBytes largest message on any link
   * @param overheadBytes what stands between a node and its links adds to a message
   * @param exempt networks that subnet limits do not count, as in {@link AddressTable}
   */
  constructor(maxMessageBytes: number, exempt: readonly string[], overheadBytes = 0) {
    const table = new AddressTable({ maxInterned, exempt, overheadBytes });
    table.setLink("udp4", { link: links.ipv4, maxBytes: maxMessageBytes });
    table.setLink("udp6", { link: links.ipv6, maxBytes: maxMessageBytes });
    this.table = table;
    this.#codecs = {
      ipv4: codec(table, 0b01),
      ipv6: codec(table, 0b10),
      both: codec(table, 0b11),
    };
  }

  /** What a node of these families is given: it dials no others. */
  codec(families: Families): AddressCodec {
    return this.#codecs[families];
  }

  /** @throws UsageError `invalidAddress` */
  parse(url: string): SocketAddress {
    return this.table.parse(url);
  }

  /** The next /24 that nobody has: its first three numbers. */
  newSubnet4(): string {
    for (;;) {
      const subnet = this.#subnets4++;
      const [a, b, c] = [1 + (subnet >> 16), (subnet >> 8) & 255, subnet & 255];
      if (a > 223) throw new UsageError("tooMany", "hosts: every /24 of IPv4 is taken");
      if (!isSpecial(a, b)) return `${a}.${b}.${c}`;
    }
  }

  /** The next /64 that nobody has, of the range for documentation. */
  newSubnet6(): string {
    const subnet = this.#subnets6++;
    return `2001:db8:${(subnet >>> 16).toString(16)}:${(subnet & 0xffff).toString(16)}`;
  }
}

/** A /24 and a /64 that several hosts share. */
export class Subnet {
  readonly #prefix4: string;
  readonly #prefix6: string;
  #hosts = 0;

  /** @internal made by `Simulation.addSubnet` */
  constructor(addressing: Addressing) {
    this.#prefix4 = addressing.newSubnet4();
    this.#prefix6 = addressing.newSubnet6();
  }

  /** Addresses of the next host in it. @throws UsageError `tooMany` beyond 254 hosts */
  newIps(): { readonly ipv4: string; readonly ipv6: string } {
    const host = ++this.#hosts;
    if (host > 254) throw new UsageError("tooMany", "subnet: 254 hosts are in it; that is all of a /24");
    return { ipv4: `${this.#prefix4}.${host}`, ipv6: `${this.#prefix6}::${host.toString(16)}` };
  }
}

/** One link for each family: backpressure is told for all addresses of a kind. */
export const links = { ipv4: 1, ipv6: 2 } as const;

/** Loopback, private and link-local networks: subnet limits may pass over them. */
function isSpecial(a: number, b: number): boolean {
  return (
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  );
}

function codec(table: AddressTable, dialable: number): AddressCodec {
  return {
    dialable,
    decode: (bytes, offset, length) => table.decode(bytes, offset, length),
    source: (address: Address) => table.source(address),
    group: (address: Address) => table.group(address),
  };
}
