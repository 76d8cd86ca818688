import { describe, it } from "vitest";
import {
  type MakeSecurePeer,
  type SecureChannelSuiteOptions,
  secureChannelCases,
  secureChannelSuite,
} from "../../src/index.ts";
import { describeMutants } from "../support/mutants.ts";
import { type ToyFault, toyPeers } from "../support/toy-channel.ts";

const streams: SecureChannelSuiteOptions = { carries: "streams" };

secureChannelSuite(toyPeers(), { name: "a toy of a channel", runner: { describe, it } });
secureChannelSuite(toyPeers(undefined, true), {
  ...streams,
  name: "a toy of a channel, on streams",
  runner: { describe, it },
});

/** Mutants that each have one of the faults. */
const having = (...faults: readonly ToyFault[]): Record<string, MakeSecurePeer> =>
  Object.fromEntries(faults.map((fault) => [fault, toyPeers(fault)]));

describeMutants(
  secureChannelCases,
  {},
  {
    "carries messages of every length both ways, as they were": having("cuts long messages"),
    "says who has sent a message: the id that was proven, and where it came from":
      having("says who is claimed"),
    "hands over plain bytes, never a Buffer": having("hands over Buffers"),
    "keeps no hold of borrowed buffers: what it was given may be overwritten at once": having(
      "keeps the caller's plaintext",
    ),
    "seals within overheadBytes, into room for no more": having("needs more room than it says"),
    "hides what it carries: nothing of it is in a packet, and no two packets are alike": having(
      "does not encrypt",
      "repeats its keystream",
    ),
    "tells that a message that was kept back has been sent, once": having(
      "never says that it was sent",
      "says that it was sent twice",
    ),
    "tells that a handshake has come to nothing, once for each message that waited": having(
      "never gives up",
      "gives up twice",
    ),
    "fails what waits when the network says that the address is down": having("does not hear of the network"),
    "gives a message to no other peer than the one that it is for": having("does not look at the peer"),
    "a change of one bit anywhere in a message fails closed": having(
      "does not check messages",
      "checks all but the counter",
    ),
    "a change of one bit anywhere in a handshake fails closed": having("does not check handshakes"),
    "a forged packet changes nothing but a counter": having(
      "is torn down by what it cannot open",
      "throws at short packets",
    ),
    "nothing replayed is accepted: not at once, not later, not by who has sent it, not by another": having(
      "has no window",
      "has one key for both directions",
    ),
    "a handshake that is replayed to one who was started anew gives nothing": having("takes old handshakes"),
    "loss, doubling and reordering deliver each message at most once": having("has no window"),
    "a packet that is late is still taken, once, after those that have overtaken it":
      having("has a window of one"),
    "a handshake survives the loss of any one of its packets": having("sends a hello once"),
    "both may begin at once, and every message arrives once": having("drops a hello while it has sent one"),
    "an address that is not proven is sent no more than it has sent": having("answers at length"),
    "keeps back no more than a bound for handshakes, and says queueFull beyond it":
      having("keeps everything"),
    "keeps every gauge within its limit, whatever strangers send": having("keeps all sessions"),
    "early and repeated timeouts do nothing": having("sends again at every timeout"),
    "the same calls and draws give the same packets": having("draws from elsewhere"),
    "closing fails what waits, says goodbye, and is drained then": having(
      "says no goodbye",
      "forgets what waits when it is closed",
      "is never drained",
    ),
    "messages arrive in their order, or not at all": { "takes any order": toyPeers("takes any order", true) },
  },
  { "messages arrive in their order, or not at all": streams },
);
