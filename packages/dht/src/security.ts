/**
 * What makes a node secure: who it is and in which network, what seals its messages, and what signs its records. Its keys
 * are of `node:crypto`. Loaded by nodes that are secure, and by them alone.
 */
import {
  AddressTable,
  type Commands,
  KadError,
  type Machine,
  type NodeEvent,
  type NodeId,
  type NodeOptions,
  type RecordKey,
  type RecordValidator,
  type SecureChannel,
  UsageError,
} from "@kad/core";
import {
  Credentials,
  type CryptoProvider,
  channelsByKind,
  type DatagramChannel,
  type DatagramStats,
  datagramOverheadBytes,
  type Identity,
  MutableRecords,
  maxSignedMetaBytes,
  Network,
  type ProviderStatement,
  SeedIdentity,
  type SignedProvider,
  SignedProviders,
  type StreamChannel,
  type StreamStats,
  secure,
  secureDatagrams,
  secureStreams,
  systemRandom,
} from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";
import { randomPool } from "./hash.ts";
import { defined } from "./option-checks.ts";
import { type CreateNodeOptions, createNodeDefaults } from "./options.ts";
import type { Carried } from "./transports.ts";

/** What the secure channels count: sessions, handshakes, what was dropped or refused and why, a gauge beside every bound. */
export interface SecurityStats {
  /** Over UDP; absent where the node has none. */
  readonly datagrams?: DatagramStats;
  /** Over TCP and WebSocket. */
  readonly streams?: StreamStats;
}

/** For all nodes of the process: it checks itself when it is made. */
export const provider: CryptoProvider = nodeProvider();

export const overheadBytes: number = datagramOverheadBytes;

/** What a node's machine is made with to stand in channels. */
type MachineOptions = Required<Pick<NodeOptions, "id" | "padRequests" | "validators" | "providerValidator">>;

export class Security {
  readonly identity: Identity;
  /** Makes and reads what its owner alone can change. */
  readonly records: MutableRecords;
  readonly machineOptions: MachineOptions;
  readonly #providers: SignedProviders;
  readonly #datagrams: DatagramChannel | undefined;
  readonly #streams: StreamChannel | undefined;

  /** @throws (rejects) UsageError `invalidOption`; KadError `signingFailed` when the identity does not sign */
  static async open(
    options: CreateNodeOptions,
    addresses: AddressTable,
    carried: Carried,
  ): Promise<Security> {
    const identity = options.identity ?? SeedIdentity.generate(provider, systemRandom);
    return new Security(identity, await credentialsOf(identity, options), { options, addresses, carried });
  }

  private constructor(
    identity: Identity,
    credentials: Credentials,
    rest: {
      readonly options: CreateNodeOptions;
      readonly addresses: AddressTable;
      readonly carried: Carried;
    },
  ) {
    const { options, addresses, carried } = rest;
    const { datagrams, streams, admits } = tuning(options);
    const { network } = credentials;
    this.identity = identity;
    this.records = new MutableRecords({ provider, network });
    this.#providers = new SignedProviders({ provider, network, addresses });
    this.machineOptions = {
      id: credentials.id,
      padRequests: false, // a session proves the address
      validators: withOwn(this.records.validators, options.validators),
      providerValidator: this.#providers.validator,
    };
    const channel = { credentials, addresses, nowMs: performance.now(), ...defined({ admits }) };
    if (carried.datagrams)
      this.#datagrams = secureDatagrams({
        ...channel,
        random: randomPool,
        ...defined({ limits: datagrams }),
      });
    if (carried.streams) this.#streams = secureStreams({ ...channel, ...defined({ limits: streams }) });
  }

  /** Puts the channels around a node's machine; from then on only what is returned is to be called. */
  around(machine: Machine<NodeEvent> & Commands): Machine<NodeEvent> & Commands {
    return secure(machine, this.#channel);
  }

  /**
   * A statement of this node as a provider of `key`, with so many of its addresses as fit beside what it says.
   * @throws UsageError `invalidRecord` when `meta` is over 401 bytes
   */
  state(key: RecordKey, statement: Required<ProviderStatement>): Uint8Array | Promise<Uint8Array> {
    const { meta } = statement;
    let roomBytes = maxSignedMetaBytes - meta.length;
    if (roomBytes < 0)
      throw new UsageError(
        "invalidRecord",
        `meta: ${meta.length} bytes; allowed are 0 to ${maxSignedMetaBytes} bytes`,
      );
    const addresses = statement.addresses.filter(({ wire }) => {
      roomBytes -= wire.length;
      return roomBytes >= 0;
    });
    return this.#providers.sign(this.identity, key, { ...statement, addresses });
  }

  /** What a provider has signed; `undefined` when the metadata are no statement. That it is theirs, core has made sure. */
  readonly readProvider = (meta: Uint8Array): SignedProvider | undefined => this.#providers.read(meta);

  /** A snapshot; plain data that the caller owns. */
  stats(): SecurityStats {
    return defined({ datagrams: this.#datagrams?.stats(), streams: this.#streams?.stats() });
  }

  get #channel(): SecureChannel & { readonly id: NodeId } {
    const [datagrams, streams] = [this.#datagrams, this.#streams];
    if (datagrams !== undefined && streams !== undefined) return channelsByKind({ datagrams, streams });
    return (datagrams ?? streams) as DatagramChannel | StreamChannel; // a node has a transport
  }
}

/**
 * What an encrypted node of a network demands of records and of providers, beside what core does: for a `KadNode` that is to
 * judge as it does, such as one of which a recording is played again.
 */
export function demandsOf(network: string): Required<Pick<NodeOptions, "validators" | "providerValidator">> {
  const named = new Network(provider, network);
  const records = new MutableRecords({ provider, network: named });
  const providers = new SignedProviders({ provider, network: named, addresses: new AddressTable() });
  return { validators: records.validators, providerValidator: providers.validator };
}

/** Waits until the identity has signed for the first static key: before, nobody could be answered. */
async function credentialsOf(identity: Identity, options: CreateNodeOptions): Promise<Credentials> {
  const { network, networkKey } = options;
  const { rotationMs } = tuning(options);
  const first = new FirstSignature(identity);
  const credentials = new Credentials({
    provider,
    identity: first,
    keys: systemRandom,
    nowMs: performance.now(),
    unixMs: Date.now(),
    ...defined({ network, networkKey, rotationMs }),
  });
  await first.made(options.bootstrapTimeoutMs ?? createNodeDefaults.bootstrapTimeoutMs);
  const nowMs = performance.now();
  credentials.handleTimeout(nowMs);
  if (credentials.staticAt(credentials.secondOf(nowMs)) !== undefined) return credentials;
  throw credentials.takeError() ?? new KadError("signingFailed", "identity: it has not signed in time");
}

/** An identity that may sign elsewhere, of whose first signature one wants to know that it is there, and right. */
class FirstSignature implements Identity {
  readonly publicKey: Uint8Array;
  readonly #identity: Identity;
  #signing: Promise<Uint8Array> | undefined;

  constructor(identity: Identity) {
    this.#identity = identity;
    this.publicKey = identity.publicKey;
  }

  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const signature = this.#identity.sign(message);
    if (!(signature instanceof Promise)) return this.#checked(message, signature);
    const checked = signature.then((bytes) => this.#checked(message, bytes));
    this.#signing ??= checked;
    return checked;
  }

  /** Resolves when the first signature is there or has failed, after `timeoutMs` at the latest. */
  async made(timeoutMs: number): Promise<void> {
    if (this.#signing === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.allSettled([this.#signing]), timeUp]);
    clearTimeout(timer);
  }

  /** Others would drop what a wrong key has signed in silence. */
  #checked(message: Uint8Array, signature: Uint8Array): Uint8Array {
    if (signature instanceof Uint8Array && provider.verify(this.publicKey, message, signature))
      return signature;
    throw new UsageError("invalidOption", "identity: it signs with another key than its publicKey");
  }
}

function tuning({ security }: CreateNodeOptions): Exclude<CreateNodeOptions["security"], "none" | undefined> {
  return security === "none" ? {} : (security ?? {});
}

/** @throws UsageError `invalidOption` for a type whose name is taken */
function withOwn(
  own: Readonly<Record<string, RecordValidator>>,
  given: Readonly<Record<string, RecordValidator>> = {},
): Readonly<Record<string, RecordValidator>> {
  for (const name of Object.keys(own)) {
    if (Object.hasOwn(given, name))
      throw new UsageError(
        "invalidOption",
        `validators.${name}: the name is taken, by records that their owner signs`,
      );
  }
  return { ...own, ...given };
}
