/** A node on encrypted TCP, put together by hand: an identity, the channel around the node, a transport, and Node's loop. */
import { AddressTable, KadNode, type NodeId, type Plugin } from "@kad/core";
import { Credentials, SeedIdentity, secure, secureStreams, systemRandom } from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";
import { runNode } from "@kad/loop-node";
import { tcp } from "@kad/transport-tcp";

export interface SecureNode {
  readonly id: NodeId;
  /** Where others reach it. */
  readonly url: string;
  /** Joins whoever listens at a URL. */
  join(url: string): void;
  close(): Promise<void>;
}

export async function startSecureNode(listen: string, plugin: Plugin): Promise<SecureNode> {
  const provider = nodeProvider();
  const addresses = new AddressTable();
  const nowMs = performance.now();
  const identity = SeedIdentity.generate(provider, systemRandom);
  const credentials = new Credentials({ provider, identity, keys: systemRandom, nowMs, unixMs: Date.now() });
  const node = new KadNode({
    id: credentials.id, // the hash of the identity's public key
    random: systemRandom,
    sha256: (bytes) => provider.sha256(bytes),
    addresses,
    padRequests: false, // the channel proves addresses
  });
  const machine = secure(node, secureStreams({ credentials, addresses, nowMs }));
  const running = await runNode({ machine, addresses, transports: [tcp({ listen })] });
  const { driver, router } = running;
  driver.use(plugin);
  return {
    id: credentials.id,
    url: router.localAddresses[0]?.key ?? "",
    join(url) {
      driver.run((now) => machine.bootstrap(now, [{ addresses: [addresses.parse(url)] }]));
    },
    close: () => running.close(),
  };
}
