import { AddressTable } from "@kad/core";
import { type SecurePeerOptions, secureChannelSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { Credentials } from "../src/credentials.ts";
import { secureDatagrams } from "../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../src/identity.ts";
import { NetworkKey } from "../src/network.ts";
import type { CryptoProvider } from "../src/provider.ts";
import { secureStreams } from "../src/streams/stream-channel.ts";
import { native } from "./support/providers.ts";

const nowMs = 1_000;

function credentialsOf(
  { peer, random }: SecurePeerOptions,
  provider: CryptoProvider,
  networkKey?: NetworkKey,
): Credentials {
  const identity = SeedIdentity.fromSeed(provider, new Uint8Array(32).fill(peer + 1));
  return new Credentials({ provider, identity, keys: random, nowMs, ...(networkKey && { networkKey }) });
}

const networkKey = NetworkKey.fromHex("9c".repeat(32));

describe.each<[string, CryptoProvider, NetworkKey | undefined]>([
  ["node", native, undefined],
  ["node, in a private network", native, networkKey],
])("datagrams, with %s", (_name, provider, key) => {
  secureChannelSuite(
    (options) => {
      const credentials = credentialsOf(options, provider, key);
      const addresses = new AddressTable();
      // RESET answers strangers: that it changes nothing else is tried in sessions.test.ts.
      const limits = { resetsPerSecond: 0 };
      const channel = secureDatagrams({ credentials, random: options.random, addresses, limits, nowMs });
      return { channel, id: channel.id, gauges: () => channel.stats().gauges };
    },
    { maxPlaintextBytes: 1_174, runner: { describe, it } },
  );
});

describe("streams", () => {
  secureChannelSuite(
    (options) => {
      const credentials = credentialsOf(options, native);
      const channel = secureStreams({ credentials, addresses: new AddressTable(), nowMs });
      return { channel, id: channel.id, gauges: () => channel.stats().gauges };
    },
    { carries: "streams", maxPlaintextBytes: 16_384, runner: { describe, it } },
  );
});
