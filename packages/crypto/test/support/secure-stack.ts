/** Puts a secure channel over datagrams around every node of a simulation. */
import type { NodeId } from "@kad/core";
import type { NodeMachine, NodeStack, RandomStream, StackSurroundings } from "@kad/sim";
import { Credentials } from "../../src/credentials.ts";
import {
  type DatagramChannel,
  datagramOverheadBytes,
  secureDatagrams,
} from "../../src/datagrams/datagram-channel.ts";
import type { DatagramLimits } from "../../src/datagrams/limits.ts";
import { SeedIdentity } from "../../src/identity.ts";
import type { NetworkKey } from "../../src/network.ts";
import type { CryptoProvider } from "../../src/provider.ts";
import { secure } from "../../src/secure.ts";
import { native } from "./providers.ts";

export interface SecureStackOptions {
  readonly provider?: CryptoProvider;
  readonly limits?: Partial<DatagramLimits>;
}

export class SecureStack implements NodeStack {
  readonly overheadBytes: number = datagramOverheadBytes;
  /** Of those that start from now on. */
  networkKey: NetworkKey | undefined;
  readonly #options: SecureStackOptions;
  readonly #identities = new Map<string, SeedIdentity>();
  readonly #channels = new Map<string, DatagramChannel>();

  constructor(options: SecureStackOptions = {}) {
    this.#options = options;
  }

  newId(random: RandomStream): NodeId {
    const identity = SeedIdentity.generate(this.#provider, random);
    this.#identities.set(identity.id.key, identity);
    return identity.id;
  }

  wrap(node: NodeMachine, { nowMs, unixMs, random, addresses }: StackSurroundings): NodeMachine {
    const { limits = {} } = this.#options;
    const identity = this.#identities.get(node.id.key) as SeedIdentity;
    const credentials = new Credentials({
      provider: this.#provider,
      identity,
      keys: random,
      nowMs,
      unixMs,
      ...(this.networkKey && { networkKey: this.networkKey }),
    });
    const channel = secureDatagrams({ credentials, random, addresses, limits, nowMs });
    this.#channels.set(node.id.key, channel);
    return secure(node, channel);
  }

  /** Of the last life of the node with this id. */
  channelOf(id: NodeId): DatagramChannel {
    return this.#channels.get(id.key) as DatagramChannel;
  }

  /** Of all nodes, the last life of each. */
  get channels(): readonly DatagramChannel[] {
    return [...this.#channels.values()];
  }

  get #provider(): CryptoProvider {
    return this.#options.provider ?? native;
  }
}
