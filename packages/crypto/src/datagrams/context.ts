/**
 * What the parts of a channel over datagrams share.
 */
import type { Address } from "@kad/core";
import type { ChannelEvents } from "../channel-events.ts";
import type { Credentials } from "../credentials.ts";
import type { HeldMessages } from "../held-messages.ts";
import type { Policy } from "../policy.ts";
import type { RandomSource } from "../provider.ts";
import type { DatagramLimits } from "./limits.ts";
import type { SessionMemory } from "./session-memory.ts";
import type { SessionTable } from "./session-table.ts";
import type { DatagramCounters } from "./stats.ts";

export interface DatagramContext {
  readonly credentials: Credentials;
  /** What may be logged: cids, jitter and the tokens of path challenges. */
  readonly random: RandomSource;
  readonly limits: DatagramLimits;
  readonly counters: DatagramCounters;
  readonly table: SessionTable;
  readonly memory: SessionMemory;
  readonly held: HeldMessages;
  readonly events: ChannelEvents;
  /** Whom limits count an address by; `undefined`: exempt. */
  readonly prefixOf: (address: Address) => string | undefined;
  /** Whether the host wants to do with this peer; does not throw. */
  readonly admits: Policy;
  /** A number that no session and no attempt has, and not 0. */
  readonly newCid: () => number;
}
