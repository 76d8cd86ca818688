/**
 * Connections that others begin: whom to answer, cheapest checks first, and within which rates.
 */
import type { AddressCodec, InstantMs, Path } from "@kad/core";
import type { Credentials } from "../credentials.ts";
import { prefixOf } from "../prefix.ts";
import { SourceBuckets, TokenBucket } from "../token-bucket.ts";
import type { ConnectionTable } from "./connection-table.ts";
import type { StreamLimits } from "./limits.ts";
import { firstBytes } from "./packets.ts";
import type { StreamEnd } from "./stats.ts";
import { ResponderHandshake } from "./stream-handshake.ts";

const maxPrefixes = 1_024;
/** At once, as a multiple of what is allowed each second. */
const prefixBurst = 4;

export class StreamAcceptor {
  readonly #credentials: Credentials;
  readonly #addresses: AddressCodec;
  readonly #limits: StreamLimits;
  readonly #table: ConnectionTable;
  readonly #handshakes: TokenBucket;
  readonly #prefixes: SourceBuckets;

  constructor(
    credentials: Credentials,
    addresses: AddressCodec,
    limits: StreamLimits,
    table: ConnectionTable,
    nowMs: InstantMs,
  ) {
    const { handshakesPerSecond, handshakesPerSecondAndPrefix } = limits;
    this.#credentials = credentials;
    this.#addresses = addresses;
    this.#limits = limits;
    this.#table = table;
    this.#handshakes = new TokenBucket(handshakesPerSecond, handshakesPerSecond, nowMs);
    const burst = prefixBurst * handshakesPerSecondAndPrefix;
    this.#prefixes = new SourceBuckets(handshakesPerSecondAndPrefix, burst, maxPrefixes);
  }

  get prefixes(): { readonly used: number; readonly limit: number } {
    return { used: this.#prefixes.size, limit: maxPrefixes };
  }

  /** The answer to the first message of a connection, or why there is none. `unexpected`: it is no first message. */
  answer(nowMs: InstantMs, from: Path, wire: Uint8Array): ResponderHandshake | StreamEnd | "unexpected" {
    const credentials = this.#credentials;
    const { maxConnections, maxHandshakes } = this.#limits;
    if (wire.length !== firstBytes(credentials.network)) return "unexpected";
    if (this.#table.size >= maxConnections) return "connectionsFull";
    if (this.#table.answering >= maxHandshakes) return "handshakesLimited";
    const prefix = prefixOf(this.#addresses, from.remote);
    if (prefix !== undefined) {
      if (!this.#prefixes.take(nowMs, prefix)) return "prefixLimited";
      if (!this.#handshakes.take(nowMs)) return "handshakesLimited";
    }
    const own = credentials.staticAt(credentials.secondOf(nowMs));
    return own === undefined ? "notReady" : ResponderHandshake.begin(credentials, own, wire);
  }
}
