/**
 * Where we can send now: which kinds of address we can dial, which are our own, and which transport links are full.
 */
import type { Address } from "./address.ts";
import { LeanSet } from "./lean-map.ts";

export class Links {
  readonly #dialable: () => number;
  readonly #isOwn: (address: Address) => boolean;
  readonly #closed = new LeanSet<number>();

  /** @param dialable kinds of address, as bits @param isOwn nobody else is to be found there */
  constructor(dialable: () => number, isOwn: (address: Address) => boolean) {
    this.#dialable = dialable;
    this.#isOwn = isOwn;
  }

  set(link: number, open: boolean): void {
    if (open) this.#closed.delete(link);
    else this.#closed.add(link);
  }

  isClosed(address: Address): boolean {
    return this.#closed.has(address.link);
  }

  /** The addresses of a peer that we can dial; usually the very array that was given. */
  reachable(addresses: readonly Address[]): readonly Address[] {
    const canDial = (address: Address) => this.#canDial(address);
    return addresses.every(canDial) ? addresses : addresses.filter(canDial);
  }

  /**
   * Whether any of these addresses can be dialled and goes through a link that is open now. Also when none can be
   * dialled, for then there is nothing to wait for.
   */
  isOpen(addresses: readonly Address[]): boolean {
    if (this.#closed.size === 0) return true;
    let canDial = false;
    for (const address of addresses) {
      if (!this.#canDial(address)) continue;
      if (!this.#closed.has(address.link)) return true;
      canDial = true;
    }
    return !canDial;
  }

  #canDial(address: Address): boolean {
    return (address.kind & this.#dialable()) !== 0 && !this.#isOwn(address);
  }
}
