/**
 * What a recording is written to, and where the node's hooks are watched: its random source, its addresses, its store.
 */
import {
  type Address,
  type AddressCodec,
  type NodeOptions,
  type RecordStore,
  toHex,
  UsageError,
} from "@kad/core";
import {
  type Facts,
  type Json,
  type RecordedCall,
  type RecordingHeader,
  recordingVersion,
  warning,
} from "./format.ts";
import { toJson } from "./values.ts";

export interface CallLogOptions {
  /** Takes each line, without its line feed. What it throws ends the recording, and not the node. */
  readonly sink: (line: string) => void;
  /** After so many characters the recording ends; 2^30 by default. */
  readonly maxCharacters?: number;
  /** Stands in the first line: what runs here, in which version. */
  readonly about?: string;
}

/** `full`: at its bound. `failed`: the sink has thrown. */
export type CallLogState = "unused" | "watching" | "recording" | "full" | "failed" | "ended";

interface ToldLink {
  readonly address: Address;
  readonly link: number;
  readonly maxBytes: number;
}

/** Addresses whose counting is remembered as told; what drops out is told again. */
const maxToldAddresses = 10_000;
/** Records read at once. */
const pageSize = 100;

type MutableFacts = {
  -readonly [K in keyof Facts]: Facts[K] extends readonly (infer T)[] | undefined ? T[] : Facts[K];
};

export class CallLog {
  readonly #sink: (line: string) => void;
  readonly #maxCharacters: number;
  readonly #about: string | undefined;
  #state: CallLogState = "unused";
  #characters = 0;
  #facts: MutableFacts = {};
  #hasFacts = false;
  /** Writes to the store in this call. */
  #writes = 0;
  #dialable: number | undefined;
  /** By kind, an address of it, and how it was sent to when last told. */
  readonly #links = new Map<number, ToldLink>();
  readonly #told = new Set<string>();

  /** @throws UsageError `invalidOption` */
  constructor({ sink, maxCharacters = 2 ** 30, about }: CallLogOptions) {
    if (!(maxCharacters > 0)) {
      throw new UsageError(
        "invalidOption",
        `maxCharacters: ${String(maxCharacters)}; allowed is a number above 0`,
      );
    }
    this.#sink = sink;
    this.#maxCharacters = maxCharacters;
    this.#about = about;
  }

  get state(): CallLogState {
    return this.#state;
  }

  /** Written so far, line feeds counted. */
  get characters(): number {
    return this.#characters;
  }

  /**
   * Options for the one node that this log is for: what its hooks give is written down from now on. The records that its
   * store holds are read now.
   * @throws UsageError `invalidArgument` on the second call: a log is for one node
   */
  watch(options: NodeOptions): NodeOptions {
    if (this.#state !== "unused") throw new UsageError("invalidArgument", "log: it has a node already");
    this.#state = "watching";
    const { id, mode = "server", padRequests = true, limits = {}, validators = {}, store } = options;
    const { providerValidator } = options;
    const header: RecordingHeader = {
      recording: recordingVersion,
      warning,
      ...(this.#about !== undefined && { about: this.#about }),
      id: id.toHex(),
      mode,
      padRequests,
      limits,
      validators: Object.keys(validators),
      ...(providerValidator !== undefined && { hasProviderValidator: true }),
      hasStore: store !== undefined,
    };
    this.#writeLine(JSON.stringify(header));
    if (store !== undefined) this.#writeStore(store);
    return {
      ...options,
      random: { fill: (into) => this.#fill(options.random, into) },
      addresses: this.#watchAddresses(options.addresses),
      ...(store !== undefined && { store: this.#watchStore(store) }),
    };
  }

  /** @internal */
  begin(): void {
    if (this.#state !== "watching")
      throw new UsageError(
        "invalidArgument",
        "log: make the machine from what its watch() returns, and once",
      );
    this.#state = "recording";
    this.write({ c: "made" });
  }

  /** @internal */
  write(call: RecordedCall): void {
    if (this.#state !== "recording") return;
    const line = JSON.stringify(this.#hasFacts ? { ...call, ...this.#facts } : call);
    if (this.#hasFacts) this.#facts = {};
    this.#hasFacts = false;
    this.#writes = 0;
    if (this.#characters + line.length + 1 > this.#maxCharacters) this.#end("full");
    else this.#writeLine(line);
  }

  /** Before a call. `false`: nobody wants a line of it. @internal */
  open(): boolean {
    if (this.#state !== "recording") return false;
    for (const { address } of this.#links.values()) this.#noteLink(address);
    return true;
  }

  /** What a call is given or gives, as it is written; what it says of links is noted. @internal */
  json(value: unknown): Json {
    this.#noteAddresses(value);
    return toJson(value);
  }

  /** Ends the recording, with a line that says so; the node goes on. */
  end(): void {
    this.#end("ended");
  }

  #end(state: "ended" | "full"): void {
    if (this.#state !== "recording" && this.#state !== "watching") return;
    this.#writeLine(JSON.stringify({ c: "end", r: state } satisfies RecordedCall));
    this.#state = state;
  }

  #writeLine(line: string): void {
    this.#characters += line.length + 1;
    try {
      this.#sink(line);
    } catch {
      this.#state = "failed";
    }
  }

  #writeStore(store: RecordStore): void {
    let cursor: string | undefined;
    do {
      const page = store.entries(cursor, pageSize);
      for (const record of page.records)
        this.#writeLine(JSON.stringify({ c: "stored", a: [toJson(record)] } satisfies RecordedCall));
      cursor = page.next;
    } while (cursor !== undefined);
  }

  #fill(random: NodeOptions["random"], into: Uint8Array): void {
    random.fill(into);
    this.#note("draws", toHex(into));
  }

  #note<K extends "draws" | "addresses" | "links" | "full">(
    name: K,
    fact: NonNullable<MutableFacts[K]>[number],
  ): void {
    this.#hasFacts = true;
    const facts = this.#facts as Record<K, unknown[] | undefined>;
    facts[name] ??= [];
    facts[name].push(fact);
  }

  #watchAddresses(codec: AddressCodec): AddressCodec {
    const noteDialable = (): number => {
      const { dialable } = codec;
      if (dialable !== this.#dialable) {
        this.#dialable = dialable;
        this.#facts.dialable = dialable;
        this.#hasFacts = true;
      }
      return dialable;
    };
    return {
      get dialable() {
        return noteDialable();
      },
      decode: (bytes, offset, length) => {
        const address = codec.decode(bytes, offset, length);
        if (address !== undefined) this.#noteLink(address);
        return address;
      },
      source: (address) => {
        this.#noteCounting(codec, address);
        return codec.source(address);
      },
      group: (address) => {
        this.#noteCounting(codec, address);
        return codec.group(address);
      },
    };
  }

  #noteCounting(codec: AddressCodec, address: Address): void {
    if (this.#told.has(address.key)) return;
    if (this.#told.size === maxToldAddresses) this.#told.clear();
    this.#told.add(address.key);
    this.#noteLink(address);
    this.#note("addresses", [address.key, codec.source(address) ?? null, codec.group(address) ?? null]);
  }

  #noteLink(address: Address): void {
    const { kind, link, maxBytes } = address;
    const told = this.#links.get(kind);
    if (told?.link === link && told.maxBytes === maxBytes) return;
    this.#links.set(kind, { address, link, maxBytes });
    this.#note("links", [kind, link, maxBytes]);
  }

  /** Those inside of what callers give. */
  #noteAddresses(value: unknown): void {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    if ("maxBytes" in value && "wire" in value) this.#noteLink(value as Address);
    else for (const field of Object.values(value)) this.#noteAddresses(field);
  }

  #watchStore(store: RecordStore): RecordStore {
    return {
      get: (key) => store.get(key),
      put: (record) => {
        const outcome = store.put(record);
        if (outcome === "full") this.#note("full", this.#writes);
        this.#writes++;
        return outcome;
      },
      delete: (key) => store.delete(key),
      entries: (cursor, limit) => store.entries(cursor, limit),
      get size() {
        return store.size;
      },
      get bytes() {
        return store.bytes;
      },
    };
  }
}
