/**
 * What a node is built from: checked once, completed, frozen.
 */
import type { AddressCodec } from "./address.ts";
import { shown, UsageError } from "./errors.ts";
import { GuardedAddresses, GuardedProtocol, type Reporter } from "./hooks.ts";
import { MemoryRecordStore } from "./memory-record-store.ts";
import { NodeId } from "./node-id.ts";
import { limitSpecs, type NodeLimits, resolveLimits } from "./options.ts";
import type { Protocol } from "./protocol.ts";
import type { ProviderValidator } from "./provider.ts";
import { RandomSource } from "./random-source.ts";
import type { RecordStore, RecordValidator, Sha256 } from "./record.ts";
import { nativeProtocol } from "./wire/native-protocol.ts";

export interface NodeOptions {
  /** As long as the protocol's ids: 32 bytes for the native one. */
  readonly id: NodeId;
  /** Fills with random bytes: secret-grade in adapters, seeded in a simulator. Synchronous; may not call the node. */
  readonly random: { fill(into: Uint8Array): void };
  readonly sha256: Sha256;
  readonly addresses: AddressCodec;
  /** By default {@link nativeProtocol} with `addresses`. */
  readonly protocol?: Protocol;
  /** By default a {@link MemoryRecordStore} of `maxRecords` and `maxRecordBytes` for others, and the default of these for our own. */
  readonly store?: RecordStore;
  /** Record types beside `immutable` and `open`, by name. */
  readonly validators?: Readonly<Record<string, RecordValidator>>;
  /** What is demanded of providers' metadata; nothing by default. */
  readonly providerValidator?: ProviderValidator;
  /** A `client` asks and is answered, but stands in no table and stores nothing for others. Default `server`. */
  readonly mode?: "server" | "client";
  /**
   * Whether requests that may draw a large answer are padded, so that no forged source address is sent more than three
   * times what was sent in its name. Default true; turn it off where a layer below proves addresses.
   */
  readonly padRequests?: boolean;
  readonly limits?: Partial<NodeLimits>;
}

/** `addresses`, `protocol` and `random` no longer throw; the secrets of write tokens come from `secrets`, which does. */
export interface ResolvedNodeOptions
  extends Required<Omit<NodeOptions, "limits" | "random" | "providerValidator">> {
  readonly providerValidator: ProviderValidator | undefined;
  readonly random: RandomSource;
  readonly secrets: NodeOptions["random"];
  readonly limits: NodeLimits;
}

/**
 * `reporter` is told of every hook that throws later on; none is called here.
 * @throws UsageError `invalidOption` that names the option, the value and what is allowed
 */
export function resolveNodeOptions(given: NodeOptions, reporter: Reporter): ResolvedNodeOptions {
  const { id, random, sha256, mode = "server", validators = {}, padRequests = true } = given;
  const limits = resolveLimits(given.limits ?? {});
  demand(typeof random?.fill === "function", "random", random, "an object with fill(into)");
  demand(typeof sha256 === "function", "sha256", sha256, "a function from bytes to 32 bytes");
  demand(typeof given.addresses?.decode === "function", "addresses", given.addresses, "an AddressCodec");
  demand(mode === "server" || mode === "client", "mode", mode, '"server" or "client"');
  const addresses = new GuardedAddresses(given.addresses, reporter);
  const protocol =
    given.protocol === undefined
      ? nativeProtocol({ addresses })
      : new GuardedProtocol(given.protocol, reporter);
  demand(
    id instanceof NodeId && id.length === protocol.idBytes,
    "id",
    id,
    `a NodeId of ${protocol.idBytes} bytes`,
  );
  const store = given.store ?? memoryStore(limits);
  const { providerValidator } = given;
  demand(
    providerValidator === undefined || typeof providerValidator.validate === "function",
    "providerValidator",
    providerValidator,
    "a ProviderValidator",
  );
  return Object.freeze({
    id,
    random: new RandomSource(random, reporter),
    secrets: random,
    sha256,
    addresses,
    protocol,
    store,
    validators,
    providerValidator,
    mode,
    padRequests,
    limits,
  });
}

/** Whatever others may store, there is room for what we publish ourselves. */
function memoryStore(limits: NodeLimits): MemoryRecordStore {
  const { maxRecords, maxRecordBytes, maxProviders, maxProviderBytes } = limits;
  return new MemoryRecordStore({
    maxRecords: maxRecords + limitSpecs.maxRecords.value + maxProviders,
    maxBytes: maxRecordBytes + limitSpecs.maxRecordBytes.value + maxProviderBytes,
  });
}

function demand(isRight: boolean, name: string, value: unknown, allowed: string): void {
  if (!isRight) throw new UsageError("invalidOption", `${name}: ${shown(value)}; allowed is ${allowed}`);
}
