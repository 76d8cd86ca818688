/** What every channel, and every stack around a node, must do. */
import { AddressTable, type Gauge, KadNode } from "@kad/core";
import { machineSuite, secureChannelSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { Credentials } from "../src/credentials.ts";
import { datagramOverheadBytes, secureDatagrams } from "../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../src/identity.ts";
import type { CryptoProvider, RandomSource } from "../src/provider.ts";
import { secure } from "../src/secure.ts";
import { secureStreams } from "../src/streams/stream-channel.ts";
import { native, noble } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const runner = { describe, it };

function credentialsOf(provider: CryptoProvider, name: string | number, keys: RandomSource): Credentials {
  const identity = SeedIdentity.generate(provider, new SeededRandom(`identity of ${name}`));
  return new Credentials({ provider, identity, keys, nowMs: 1_000 });
}

/** Those of the figures that have a bound. */
function gaugesOf(stats: object): Record<string, Gauge> {
  return Object.fromEntries(
    Object.entries(stats).filter(
      ([, figure]) => typeof figure === "object" && "used" in figure && "limit" in figure,
    ),
  );
}

for (const [name, provider] of Object.entries({ native, noble })) {
  secureChannelSuite(
    ({ peer, random }) => {
      const credentials = credentialsOf(provider, peer, random);
      const channel = secureDatagrams({ credentials, random, addresses: new AddressTable(), nowMs: 1_000 });
      return { channel, id: credentials.id, gauges: () => gaugesOf(channel.stats()) };
    },
    { name: `the channel over datagrams, ${name} provider`, runner },
  );
}

secureChannelSuite(
  ({ peer, random }) => {
    const credentials = credentialsOf(native, peer, random);
    const channel = secureStreams({ credentials, addresses: new AddressTable(), nowMs: 1_000 });
    return { channel, id: credentials.id, gauges: () => gaugesOf(channel.stats()) };
  },
  { name: "the channel over streams", carries: "streams", runner },
);

machineSuite(
  (options) => {
    const addresses = options.addresses as AddressTable;
    const { random } = options;
    const credentials = credentialsOf(native, options.id.toHex(), random);
    const channel = secureDatagrams({ credentials, random, addresses, nowMs: 1_000 });
    return secure(new KadNode({ ...options, id: credentials.id, padRequests: false }), channel);
  },
  {
    name: "a node in a channel over datagrams",
    overheadBytes: datagramOverheadBytes,
    skip: {
      "what a layer below holds back is not sent again while it waits":
        "the first message to a stranger is a handshake, which has no tag: it is the stack that holds the request back",
      "never writes more than the room that it is given":
        "a handshake needs the room of a whole datagram; the channel refuses less",
    },
    runner,
  },
);
