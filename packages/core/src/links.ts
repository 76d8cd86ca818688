/**
 * Where we can send now: which kinds of address we can dial, which are our own, and which transport links are full.
 */
import type { Address, AddressCodec } from "./address.ts";
import { LeanSet } from "./lean-map.ts";

export interface LinksOptions {
  /** Kinds of address that we can dial, as bits. */
  readonly addresses: Pick<AddressCodec, "dialable">;
  /** Which addresses are ours: nobody else is to be found there. */
  readonly own: { has(address: Address): boolean };
}

export class Links {
  readonly #options: LinksOptions;
  readonly #closed = new LeanSet<number>();

  constructor(options: LinksOptions) {
    this.#options = options;
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
    const { addresses, own } = this.#options;
    return (address.kind & addresses.dialable) !== 0 && !own.has(address);
  }
}
