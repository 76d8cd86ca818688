/** A node in a channel is a machine like any other. */
import { type AddressTable, KadNode } from "@kad/core";
import { machineSuite } from "@kad/testkit";
import { describe, it } from "vitest";
import { Credentials } from "../src/credentials.ts";
import { datagramOverheadBytes, secureDatagrams } from "../src/datagrams/datagram-channel.ts";
import { SeedIdentity } from "../src/identity.ts";
import { secure } from "../src/secure.ts";
import { native } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const nowMs = 1_000;

machineSuite(
  (options) => {
    const { random } = options;
    const identity = SeedIdentity.generate(native, new SeededRandom(`identity of ${options.id.toHex()}`));
    const credentials = new Credentials({ provider: native, identity, keys: random, nowMs });
    const addresses = options.addresses as AddressTable;
    const channel = secureDatagrams({ credentials, random, addresses, nowMs });
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
    runner: { describe, it },
  },
);
