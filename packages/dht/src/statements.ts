/**
 * What a node says of itself as a provider, under its own signature: with its addresses, for a day, and anew after half of
 * that.
 */
import type { Address, RecordKey } from "@kad/core";
import type { Security } from "./security.ts";

/** What was said, and when and where we were then. */
export interface Statement {
  /** Signed, as it is announced. */
  readonly meta: Uint8Array;
  readonly unixMs: number;
  /** Our own at that time, as text. */
  readonly addresses: string;
}

/** Long enough for clocks that are hours apart. */
const ttlSeconds = 86_400;

export class Statements {
  readonly #security: Security;
  readonly #addresses: () => readonly Address[];
  #lastUnixMs = 0;

  constructor(security: Security, addresses: () => readonly Address[]) {
    this.#security = security;
    this.#addresses = addresses;
  }

  /** @throws (rejects) UsageError `invalidRecord` for metadata that are too long; what the identity rejects with */
  async sign(key: RecordKey, meta: Uint8Array): Promise<Statement> {
    const addresses = this.#addresses();
    const unixMs = Math.max(Date.now(), this.#lastUnixMs + 1); // of two the later counts, whatever the clock does
    this.#lastUnixMs = unixMs;
    const signed = await this.#security.state(key, { unixMs, ttlSeconds, meta, addresses });
    return { meta: signed, unixMs, addresses: textOf(addresses) };
  }

  /** Whether it is time for another one. */
  isStale({ unixMs, addresses }: Statement): boolean {
    return (
      Math.abs(Date.now() - unixMs) > (1_000 * ttlSeconds) / 2 || addresses !== textOf(this.#addresses())
    );
  }
}

function textOf(addresses: readonly Address[]): string {
  return addresses.map(({ key }) => key).join(" ");
}
