/**
 * Where we ourselves can be reached: what we say of it in our messages, and whom not to look for.
 */
import { type Address, datagramKinds } from "./address.ts";
import { boundAddresses, type Contact } from "./contact.ts";
import type { NodeId } from "./node-id.ts";

const noKeys: readonly string[] = [];

export class OwnAddresses {
  readonly #id: NodeId;
  readonly #isClient: boolean;
  /** A few: at most as many as the host has transports and interfaces. */
  #keys: readonly string[] = noKeys;
  /** What every message says: nothing for a client, nor of one address that others observe anyway. */
  declared: readonly Address[] = [];
  /** What an announcement says: a client may serve what it has, though it stands in no table. */
  provided: readonly Address[] = [];
  /** Ourselves as others reach us, once we are told where; never for a client. */
  contact: Contact | undefined = undefined;

  constructor(id: NodeId, isClient: boolean) {
    this.#id = id;
    this.#isClient = isClient;
  }

  /** Whether others can reach us: as a server they see where, a client must say it. */
  get canProvide(): boolean {
    return !this.#isClient || this.provided.length > 0;
  }

  /** Nobody else is to be found there. */
  has(address: Address): boolean {
    return this.#keys.includes(address.key);
  }

  /** Replaces the earlier list. `false`: by the same. */
  set(addresses: readonly Address[]): boolean {
    const before = this.#keys;
    this.#keys = addresses.map(({ key }) => key);
    const bound = boundAddresses(addresses);
    const isObserved = addresses.length === 1 && ((addresses[0] as Address).kind & datagramKinds) !== 0;
    this.declared = this.#isClient || isObserved ? [] : bound;
    this.provided = this.#isClient ? bound : this.declared;
    this.contact = this.#isClient || bound.length === 0 ? undefined : { id: this.#id, addresses: bound };
    return before.length !== addresses.length || this.#keys.some((key) => !before.includes(key));
  }
}
