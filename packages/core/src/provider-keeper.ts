/**
 * What a holder of providers does: takes them within its caps, hands them out page by page, and lets them go.
 *
 * Kademlia §2.5 for time, BEP 5 and libtorrent's `dht_storage` for the rest. All is held in an index by key; the
 * {@link RecordStore} gets a copy under key ‖ provider, so that a holder that restarts still knows them. The rules:
 *
 * - A provider announces itself: its id is the sender's. A lifetime counts from when it arrives and is at most
 *   `providerLifetimeMs`; each announcement replaces the one before, lifetime 0 withdraws it. Nobody passes providers on.
 * - On a plain wire anyone can claim an id. So what one host (`undefined` is exempt) has announced, only that host may
 *   change or withdraw until it ends, or whoever has proven the id.
 * - Caps: keys, providers of a key, providers and bytes in all, those of one source (a subnet; `undefined` is exempt) in
 *   all and under one key: one network with many ids can neither fill a store nor crowd the others out of a key. What is
 *   full refuses, and evicts nothing.
 * - Neither is stored: what a store held before counts for none, and the first who announces it again takes it over.
 * - A store that holds more than the caps allow when it is loaded is kept whole; nothing new is taken until it has shrunk.
 * - A store that throws is reported as a {@link HookError} and counts as full. Ids over 32 bytes are not given to it:
 *   key ‖ provider would be longer than an id can be.
 */
import type { AddressCodec } from "./address.ts";
import type { Contact } from "./contact.ts";
import { HookError } from "./errors.ts";
import type { Reporter } from "./hooks.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import { maxIdBytes, NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason } from "./protocol.ts";
import { maxProviderMetaBytes, type Provider } from "./provider.ts";
import { readProviderBody, writeProviderBody } from "./provider-body.ts";
import { maxOrdered, type ProviderOrder, readCursor, visitPlaces, writeCursor } from "./provider-order.ts";
import type { RandomSource } from "./random-source.ts";
import type { Cursor, RecordKey, RecordStore, StoredRecord } from "./record.ts";
import type { Gauge } from "./stats.ts";
import { CallbackTimer, PartTimer, type Timer, TimerQueue } from "./timers.ts";

export type ProviderLimits = Pick<
  NodeLimits,
  | "providerLifetimeMs"
  | "maxProviders"
  | "maxProviderBytes"
  | "maxProviderKeys"
  | "maxProvidersPerKey"
  | "maxProvidersPerSource"
  | "maxProvidersPerSourceAndKey"
>;

export interface ProviderKeeperOptions extends Reporter {
  /** Its providers are taken over at construction; records of other kinds, or that cannot be read, stay untouched. */
  readonly store: RecordStore;
  readonly addresses: AddressCodec;
  readonly limits: ProviderLimits;
  /** Draws orders; where it fails, the order is the same for everybody. */
  readonly random: Pick<RandomSource, "u32">;
  /** The node's own: one timer in it expires what is due. */
  readonly timers: TimerQueue;
}

/** What a provider asks us to keep. */
export interface ProviderOffer {
  readonly key: RecordKey;
  readonly contact: Contact;
  /** 0 withdraws. */
  readonly lifetimeMs: number;
  /** Borrowed. */
  readonly meta: Uint8Array;
}

/** Where an offer comes from. */
export interface ProviderOrigin {
  /** Who may change it later; `undefined`: anybody. */
  readonly host: string | undefined;
  /** Who pays for it; `undefined`: nobody. */
  readonly source: string | undefined;
  /** A layer below has proven the id. */
  readonly isProven: boolean;
}

export interface ProviderPageRequest {
  /** Empty: the first page, of an order drawn now. */
  readonly cursor: Uint8Array;
  /** Room for providers, as {@link providerBytes} counts. */
  readonly maxBytes: number;
  readonly maxCount: number;
  /** Providers that this asker wants. */
  readonly admits: (contact: Contact) => boolean;
}

export interface ProviderPage {
  readonly providers: readonly Provider[];
  /** For the next page; empty: there is none. */
  readonly cursor: Uint8Array;
}

/** Providers of one key. The order of the list is that of the places in {@link ProviderOrder}. */
interface KeyEntry {
  readonly key: RecordKey;
  readonly list: Held[];
  readonly byId: LeanMap<string, Held>;
  readonly bySource: LeanMap<string, number>;
}

interface Held {
  readonly entry: KeyEntry;
  place: number;
  contact: Contact;
  meta: Uint8Array;
  /** Of the body in the store. */
  bytes: number;
  host: string | undefined;
  source: string | undefined;
  readonly expiry: Timer;
}

/** Records read from the store at a time. */
const loadPageSize = 256;

export const noCursor: Uint8Array = new Uint8Array(0);
const unknownOrigin = { host: undefined, source: undefined } as const;
const noPage: ProviderPage = { providers: [], cursor: noCursor };

/** How much of a page a provider takes: its id, its addresses and their count, a lifetime, a length, and the metadata. */
export function providerBytes({ contact, meta }: Pick<Provider, "contact" | "meta">): number {
  let bytes = contact.id.length + 1 + 6 + meta.length;
  for (const { wire } of contact.addresses) bytes += wire.length;
  return bytes;
}

export class ProviderKeeper {
  readonly #options: ProviderKeeperOptions;
  readonly #keys = new LeanMap<string, KeyEntry>();
  readonly #bySource = new LeanMap<string, number>();
  readonly #expiries = new TimerQueue();
  /** The node's own timer for the next of them; made with the first. */
  #expiry: Timer | undefined = undefined;
  #size = 0;
  #bytes = 0;

  constructor(options: ProviderKeeperOptions) {
    this.#options = options;
    this.#load();
    this.#arm();
  }

  get providers(): Gauge {
    return { used: this.#size, limit: this.#options.limits.maxProviders };
  }

  /** Bytes of their addresses and metadata. */
  get providerBytes(): Gauge {
    return { used: this.#bytes, limit: this.#options.limits.maxProviderBytes };
  }

  get providerKeys(): Gauge {
    return { used: this.#keys.size, limit: this.#options.limits.maxProviderKeys };
  }

  /** Sources that have a provider here; at most as many as there are providers. */
  get sources(): number {
    return this.#bySource.size;
  }

  /**
   * A provider asks us to keep it, or to let go of it. Refused for `superseded` (another host has announced this id),
   * `invalidRecord`, `tooLarge` or `full`; nothing has changed then. To withdraw what is not held changes nothing.
   */
  accept(nowMs: InstantMs, offer: ProviderOffer, origin: ProviderOrigin): RefusalReason | undefined {
    this.expire(nowMs);
    const { key, contact, lifetimeMs, meta } = offer;
    const held = this.#keys.get(key.key)?.byId.get(contact.id.key);
    const isOthers = held?.host !== undefined && held.host !== origin.host;
    if (isOthers && !origin.isProven) return "superseded";
    if (lifetimeMs === 0) {
      if (held !== undefined) this.#remove(held);
      return undefined;
    }
    if (!(lifetimeMs > 0)) return "invalidRecord";
    if (meta.length > maxProviderMetaBytes) return "tooLarge";
    const body = writeProviderBody(contact.addresses, meta);
    if (!this.#hasRoom(key, held, body.length, origin.source)) return "full";
    const expiresAtMs = nowMs + Math.min(lifetimeMs, this.#options.limits.providerLifetimeMs);
    if (!this.#store(nowMs, key, contact.id, body, expiresAtMs)) return "full";
    const kept = body.subarray(body.length - meta.length);
    this.#index(key, { contact, meta: kept }, body.length, origin, expiresAtMs);
    this.#arm();
    return undefined;
  }

  /** A page of the providers of `key`; one whose cursor is not ours is empty, and the last. */
  page(nowMs: InstantMs, key: RecordKey, request: ProviderPageRequest): ProviderPage {
    this.expire(nowMs);
    const list = this.#keys.get(key.key)?.list ?? [];
    const order = request.cursor.length === 0 ? this.#draw(list.length) : this.#resume(request.cursor, list);
    if (order === undefined) return noPage;
    const providers: Provider[] = [];
    let room = request.maxBytes;
    const offset = visitPlaces(order, (place) => {
      const held = list[place];
      if (held === undefined || !request.admits(held.contact)) return true;
      room -= providerBytes(held);
      if (room < 0 || providers.length >= request.maxCount) return false;
      const { contact, meta } = held;
      providers.push({ contact, meta, lifetimeMs: held.expiry.atMs - nowMs });
      return true;
    });
    return { providers, cursor: offset < order.count ? writeCursor({ ...order, offset }) : noCursor };
  }

  /** The next instant for {@link expire}. */
  nextExpiryAtMs(): InstantMs | undefined {
    return this.#expiries.earliest?.atMs;
  }

  /** @internal its timer has come due */
  onDue(nowMs: InstantMs): void {
    this.expire(nowMs);
    this.#arm();
  }

  /** Removes what has expired. Early and repeated calls do nothing. */
  expire(nowMs: InstantMs): void {
    this.#expiries.run(nowMs);
  }

  #arm(): void {
    const atMs = this.nextExpiryAtMs();
    if (atMs === undefined) return;
    this.#expiry ??= new PartTimer("provider expires", this);
    this.#options.timers.setEarlier(this.#expiry, atMs);
  }

  #draw(count: number): ProviderOrder | undefined {
    if (count === 0) return undefined;
    const seed = this.#options.random.u32() ?? 0;
    return { seed, count: Math.min(count, maxOrdered), offset: 0 };
  }

  /** A count that no list of ours had would only cost us time. */
  #resume(cursor: Uint8Array, list: readonly Held[]): ProviderOrder | undefined {
    const order = readCursor(cursor);
    const longest = Math.max(this.#options.limits.maxProvidersPerKey, list.length);
    return order === undefined || order.count > longest ? undefined : order;
  }

  /** Whether a provider may have `bytes`: what stands there now makes room. */
  #hasRoom(key: RecordKey, held: Held | undefined, bytes: number, source: string | undefined): boolean {
    const limits = this.#options.limits;
    const entry = this.#keys.get(key.key);
    if (entry === undefined && this.#keys.size >= limits.maxProviderKeys) return false;
    if (held === undefined) {
      if (this.#size >= limits.maxProviders) return false;
      if (entry !== undefined && entry.list.length >= limits.maxProvidersPerKey) return false;
    }
    const growth = bytes - (held?.bytes ?? 0);
    if (growth > 0 && this.#bytes + growth > limits.maxProviderBytes) return false;
    if (source === undefined || (held !== undefined && held.source === source)) return true;
    if ((this.#bySource.get(source) ?? 0) >= limits.maxProvidersPerSource) return false;
    return (entry?.bySource.get(source) ?? 0) < limits.maxProvidersPerSourceAndKey;
  }

  #index(
    key: RecordKey,
    { contact, meta }: Pick<Provider, "contact" | "meta">,
    bytes: number,
    { host, source }: Pick<ProviderOrigin, "host" | "source">,
    expiresAtMs: InstantMs,
  ): void {
    const entry = this.#keys.get(key.key) ?? {
      key,
      list: [],
      byId: new LeanMap<string, Held>(),
      bySource: new LeanMap<string, number>(),
    };
    this.#keys.set(key.key, entry);
    let held = entry.byId.get(contact.id.key);
    if (held === undefined) {
      const expiry = new CallbackTimer("provider expires", () => this.#remove(added));
      const added: Held = {
        entry,
        place: entry.list.length,
        contact,
        meta,
        bytes,
        host,
        source,
        expiry,
      };
      held = added;
      entry.list.push(added);
      entry.byId.set(contact.id.key, added);
      this.#size++;
    } else {
      this.#count(held, -1);
      Object.assign(held, { contact, meta, bytes, host, source });
    }
    this.#count(held, 1);
    this.#expiries.set(held.expiry, expiresAtMs);
  }

  /** The last of the list takes its place, so that the others keep theirs. */
  #remove(held: Held): void {
    const { entry } = held;
    const last = entry.list.pop() as Held;
    if (last !== held) {
      entry.list[held.place] = last;
      last.place = held.place;
    }
    entry.byId.delete(held.contact.id.key);
    if (entry.list.length === 0) this.#keys.delete(entry.key.key);
    this.#size--;
    this.#count(held, -1);
    this.#expiries.clear(held.expiry);
    const place = placeInStore(entry.key, held.contact.id);
    if (place !== undefined) this.#guard(() => this.#options.store.delete(place));
  }

  #count({ entry, bytes, source }: Held, change: 1 | -1): void {
    this.#bytes += change * bytes;
    if (source === undefined) return;
    for (const counts of [this.#bySource, entry.bySource]) {
      const count = (counts.get(source) ?? 0) + change;
      if (count > 0) counts.set(source, count);
      else counts.delete(source);
    }
  }

  #store(
    nowMs: InstantMs,
    key: RecordKey,
    provider: NodeId,
    body: Uint8Array,
    expiresAtMs: InstantMs,
  ): boolean {
    if (placeInStore(key, provider) === undefined) return true;
    const record: StoredRecord = {
      kind: "provider",
      typeCode: 0,
      key,
      provider,
      body,
      expiresAtMs,
      storedAtMs: nowMs,
    };
    return this.#guard(() => this.#options.store.put(record)) === "stored";
  }

  #load(): void {
    let cursor: Cursor | undefined;
    for (;;) {
      const page = this.#guard(() => this.#options.store.entries(cursor, loadPageSize));
      for (const record of page?.records ?? []) this.#loadRecord(record);
      // A store that gives empty pages, or the same one for ever, must not keep the node from starting.
      if (page?.next === undefined || page.next === cursor || page.records.length === 0) return;
      cursor = page.next;
    }
  }

  #loadRecord({ kind, key, provider, body, expiresAtMs }: StoredRecord): void {
    if (kind !== "provider" || provider === undefined || this.#keys.get(key.key)?.byId.has(provider.key))
      return;
    const read = readProviderBody(this.#options.addresses, body);
    if (read === undefined || read.meta.length > maxProviderMetaBytes) return;
    const contact: Contact = { id: provider, addresses: read.addresses };
    this.#index(key, { contact, meta: read.meta }, body.length, unknownOrigin, expiresAtMs);
  }

  #guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#options.report(new HookError("store", error));
      return undefined;
    }
  }
}

/** Key ‖ provider, where that is short enough to be an id. */
function placeInStore(key: RecordKey, provider: NodeId): NodeId | undefined {
  if (key.length + provider.length > maxIdBytes) return undefined;
  const bytes = new Uint8Array(key.length + provider.length);
  provider.writeTo(bytes, key.writeTo(bytes, 0));
  return NodeId.fromBytes(bytes);
}
