/** Puts every node of a simulated network behind the secure channel over datagrams, as `createNode` does by default. */
import type { NodeId } from "@kad/core";
import {
  Credentials,
  type CryptoProvider,
  datagramOverheadBytes,
  SeedIdentity,
  secure,
  secureDatagrams,
} from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";
import type { NodeMachine, NodeStack, RandomStream, StackSurroundings } from "@kad/sim";

/** Of one network: all keys, sessions and randomness are drawn from its seed, and no clock but its own is read. */
export class SecureStack implements NodeStack {
  readonly overheadBytes: number = datagramOverheadBytes;
  readonly #provider: CryptoProvider = nodeProvider();
  /** Those of nodes that are gone, too: one may come back under its id. */
  readonly #identities = new Map<string, SeedIdentity>();

  newId(random: RandomStream): NodeId {
    const identity = SeedIdentity.generate(this.#provider, random);
    this.#identities.set(identity.id.key, identity);
    return identity.id;
  }

  wrap(node: NodeMachine, { nowMs, unixMs, random, addresses }: StackSurroundings): NodeMachine {
    const identity = this.#identities.get(node.id.key) as SeedIdentity;
    const credentials = new Credentials({ provider: this.#provider, identity, keys: random, nowMs, unixMs });
    return secure(node, secureDatagrams({ credentials, random, addresses, nowMs }));
  }
}
