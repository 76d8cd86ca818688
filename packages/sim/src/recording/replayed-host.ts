/** What a node asks of its host, answered as it was when the recording was made. */
import {
  type Address,
  type AddressCodec,
  AddressTable,
  addressKinds,
  MemoryRecordStore,
  type NodeOptions,
  type RecordStore,
  type StoredRecord,
} from "@kad/core";
import type { Facts, Json } from "./format.ts";
import { bytesOf, fromJson } from "./values.ts";

/** As many as any recording may name at once. */
const maxInterned = 2 ** 20;

interface Counting {
  readonly source: string | undefined;
  readonly group: string | undefined;
}

export class ReplayedHost implements AddressCodec {
  readonly random: NodeOptions["random"] = { fill: (into) => this.#fill(into) };
  readonly #table = new AddressTable({ maxInterned });
  readonly #counting = new Map<string, Counting>();
  #facts: Facts = {};
  #dialable = 0;
  #draws = 0;
  #writes = 0;
  /** What was drawn otherwise than then. */
  #unlike: string | undefined;

  get dialable(): number {
    return this.#dialable;
  }

  /** What is told in the next call. */
  begin(facts: Facts): void {
    this.#facts = facts;
    this.#draws = 0;
    this.#writes = 0;
    this.#unlike = undefined;
    if (facts.dialable !== undefined) this.#dialable = facts.dialable;
    for (const [kind, link, maxBytes] of facts.links ?? []) {
      const name = addressKinds[31 - Math.clz32(kind)];
      if (name !== undefined) this.#table.setLink(name, link === 0 ? undefined : { link, maxBytes });
    }
    for (const [key, source, group] of facts.addresses ?? [])
      this.#counting.set(key, { source: source ?? undefined, group: group ?? undefined });
  }

  /** After the call: what was drawn, where that was not what was drawn then. */
  end(): string | undefined {
    const left = (this.#facts.draws?.length ?? 0) - this.#draws;
    return this.#unlike ?? (left > 0 ? `${left} draws fewer` : undefined);
  }

  value(json: Json): unknown {
    return fromJson(json, this.#table);
  }

  decode(bytes: Uint8Array, offset: number, length: number): Address | undefined {
    return this.#table.decode(bytes, offset, length);
  }

  source(address: Address): string | undefined {
    return this.#countingOf(address).source;
  }

  group(address: Address): string | undefined {
    return this.#countingOf(address).group;
  }

  storeOf(records: readonly StoredRecord[]): RecordStore {
    const store = new UnboundedStore(() => this.#facts.full?.includes(this.#writes++) === true);
    for (const record of records) store.load(record);
    return store;
  }

  #countingOf(address: Address): Counting {
    const known = this.#counting.get(address.key);
    return known ?? { source: this.#table.source(address), group: this.#table.group(address) };
  }

  #fill(into: Uint8Array): void {
    const draw = this.#facts.draws?.[this.#draws++];
    if (draw === undefined) this.#unlike ??= `${into.length} bytes more`;
    else if (draw.length !== 2 * into.length) this.#unlike ??= `${into.length} bytes in place of ${draw}`;
    else into.set(bytesOf(draw));
  }
}

/** The host's store, which had room except where the recording says so. */
class UnboundedStore extends MemoryRecordStore {
  readonly #isFull: () => boolean;

  constructor(isFull: () => boolean) {
    super({ maxRecords: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER });
    this.#isFull = isFull;
  }

  load(record: StoredRecord): void {
    super.put(record);
  }

  override put(record: StoredRecord): "stored" | "full" {
    return this.#isFull() ? "full" : super.put(record);
  }
}
