/**
 * From what a person writes to what core can dial: URLs are read, host names resolved, and only addresses kept that this
 * node has a socket for. Core never sees a host name of udp or tcp.
 */
import { lookup } from "node:dns/promises";
import {
  type Address,
  type AddressTable,
  addressKinds,
  type Contact,
  maxAddresses,
  type NodeId,
  type Seed,
  UsageError,
} from "@kad/core";
import { abortable } from "./abort.ts";
import { UnresolvableHost } from "./errors.ts";
import { checkId, describe } from "./key.ts";

/** A peer as an option names it: its URL, with its id where that is known. */
export type SeedInput = string | { readonly address: string; readonly id?: NodeId };

/** A peer as an operation names it: a URL, or a contact that the node has given. */
export type PeerInput = SeedInput | Contact | Seed;

/** A seed that has been read: either an address, or a host name that is resolved anew at each attempt. */
export interface ParsedSeed {
  /** As the person wrote it. */
  readonly text: string;
  readonly id: NodeId | undefined;
  readonly target: { readonly type: "address"; readonly address: Address } | HostName;
}

interface HostName {
  readonly type: "host";
  readonly scheme: "udp" | "tcp";
  readonly host: string;
  readonly port: number;
}

/** All addresses of a name, the one to try first in front. */
export type Lookup = (
  host: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

const systemLookup: Lookup = (host) => lookup(host, { all: true });

export class SeedResolver {
  readonly #addresses: AddressTable;
  readonly #lookup: Lookup;

  constructor(addresses: AddressTable, lookup: Lookup = systemLookup) {
    this.#addresses = addresses;
    this.#lookup = lookup;
  }

  /**
   * Reads a URL. Nothing is resolved yet.
   * @throws UsageError `invalidAddress` for text that is no URL of an address, or an address that this node cannot dial;
   * `invalidId` for an id of the wrong length
   */
  parse(field: string, input: SeedInput): ParsedSeed {
    const { address: text, id } =
      typeof input === "string" ? { address: input, id: undefined } : given(field, input);
    if (id !== undefined) checkId(`${field}.id`, id);
    const host = parseHostName(text);
    if (host === undefined)
      return { text, id, target: { type: "address", address: this.#dialable(field, text) } };
    if (host.port < 1 || host.port > 65_535) {
      throw new UsageError("invalidAddress", `${field}: ${text}: port ${host.port}; allowed are 1 to 65535`);
    }
    if ((kindsOf[host.scheme] & this.#addresses.dialable) === 0) throw this.#wrongFamily(field, text);
    return { text, id, target: host };
  }

  /**
   * The addresses of a seed, at most 4. Resolves a host name by the system's own rules, so that `localhost` and the hosts
   * file work.
   * @throws UnresolvableHost (rejects) when the name has no address that this node can dial
   */
  async resolve(seed: ParsedSeed, signal?: AbortSignal): Promise<Seed> {
    const { target, id } = seed;
    const addresses =
      target.type === "address" ? [target.address] : await this.#lookUp(seed.text, target, signal);
    return id === undefined ? { addresses } : { id, addresses };
  }

  /** Reads and resolves whatever names a peer. @throws as `parse` and `resolve` */
  async resolvePeer(field: string, input: PeerInput, signal?: AbortSignal): Promise<Seed> {
    if (typeof input === "object" && input !== null && "addresses" in input) return input;
    return await this.resolve(this.parse(field, input), signal);
  }

  #dialable(field: string, text: string): Address {
    const address = this.#addresses.parse(text);
    if ((address.kind & this.#addresses.dialable) === 0) throw this.#wrongFamily(field, text);
    return address;
  }

  #wrongFamily(field: string, text: string): UsageError {
    const allowed = kindNames(this.#addresses.dialable);
    return new UsageError(
      "invalidAddress",
      `${field}: ${text}: this node has no socket for it; allowed are ${allowed} addresses`,
    );
  }

  async #lookUp(text: string, target: HostName, signal: AbortSignal | undefined): Promise<Address[]> {
    const { scheme, host, port } = target;
    let found: Awaited<ReturnType<Lookup>>;
    try {
      found = await abortable(this.#lookup(host), signal);
    } catch (cause) {
      signal?.throwIfAborted();
      const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
      throw new UnresolvableHost(text, host, `cannot be resolved${code}`, cause);
    }
    const { dialable } = this.#addresses;
    const addresses: Address[] = [];
    for (const { address, family } of found) {
      const known = this.#addresses.fromSocket(`${scheme}${family === 6 ? 6 : 4}`, address, port);
      if (known !== undefined && (known.kind & dialable) !== 0 && addresses.length < maxAddresses)
        addresses.push(known);
    }
    if (addresses.length > 0) return addresses;
    const resolved = found.map(({ address }) => address).join(", ");
    throw new UnresolvableHost(
      text,
      host,
      `resolves to ${resolved}, but this node dials ${kindNames(dialable)} only`,
    );
  }
}

/** Only udp and tcp: for ws and wss the name is part of the address. A host of digits and dots is meant as an IP address. */
function parseHostName(text: string): HostName | undefined {
  const match = /^(udp|tcp):\/\/([A-Za-z0-9._-]+):([0-9]{1,5})$/i.exec(text);
  if (match === null) return undefined;
  const [, scheme = "", host = "", port = ""] = match;
  if (/(^|\.)[0-9]+$/.test(host)) return undefined;
  return { type: "host", scheme: scheme.toLowerCase() as HostName["scheme"], host, port: Number(port) };
}

function given(field: string, input: unknown): { readonly address: string; readonly id?: NodeId } {
  if (
    typeof input === "object" &&
    input !== null &&
    "address" in input &&
    typeof input.address === "string"
  ) {
    return input as { readonly address: string; readonly id?: NodeId };
  }
  throw new UsageError(
    "invalidArgument",
    `${field}: ${describe(input)}; allowed are a URL ("udp://192.0.2.1:4100"), { address, id } and a contact`,
  );
}

/** Bits of both address families. */
const kindsOf: Readonly<Record<HostName["scheme"], number>> = { udp: 0b00_11, tcp: 0b11_00 };

function kindNames(bits: number): string {
  return addressKinds.filter((_kind, index) => (bits & (1 << index)) !== 0).join(", ") || "no";
}
