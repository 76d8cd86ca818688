/** What every channel, and every stack around a node, must do. */
import { AddressTable, KadNode } from "@kad/core";
import { machineSuite, secureChannelSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { Credentials } from "../src/credentials.ts";
import { datagramOverheadBytes, secureDatagrams } from "../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../src/identity.ts";
import type { CryptoProvider, RandomSource } from "../src/provider.ts";
import { secure } from "../src/secure.ts";
import { native, noble } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const runner = { describe, it };

function channelOf(
  provider: CryptoProvider,
  name: string | number,
  random: RandomSource,
  addresses = new AddressTable(),
) {
  const credentials = new Credentials({
    provider,
    identity: SeedIdentity.generate(provider, new SeededRandom(`identity of ${name}`)),
    keys: random,
    nowMs: 1_000,
  });
  return { channel: secureDatagrams({ credentials, random, addresses, nowMs: 1_000 }), id: credentials.id };
}

for (const [name, provider] of Object.entries({ native, noble })) {
  secureChannelSuite(({ peer, random }) => channelOf(provider, peer, random), {
    name: `the channel over datagrams, ${name} provider`,
    runner,
  });
}

machineSuite(
  (options) => {
    const addresses = options.addresses as AddressTable;
    const { channel, id } = channelOf(native, options.id.toHex(), options.random, addresses);
    return secure(new KadNode({ ...options, id, padRequests: false }), channel);
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
