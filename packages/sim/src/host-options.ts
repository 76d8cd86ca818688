/**
 * What a host is made from, and what it finds again when it starts anew.
 */
import type { NodeId, NodeLimits, NodeOptions, Plugin } from "@kad/core";
import type { Families, Subnet } from "./addressing.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { Place } from "./delay.ts";
import type { NodeMachine } from "./machine-layer.ts";
import type { Nat } from "./nat.ts";
import type { SimHost } from "./sim-host.ts";

/** Makes the machine of a host, from what a node is made from: a `KadNode` with other options, one in a stack, or your own. */
export type MakeMachine<M extends NodeMachine> = (options: NodeOptions, host: SimHost) => M;

export interface HostOptions<M extends NodeMachine = NodeMachine> {
  /** In traces and errors; `h0`, `h1` … by default. */
  readonly name?: string;
  /** Drawn by default. */
  readonly id?: NodeId;
  readonly mode?: "server" | "client";
  /** Over those of the simulation. */
  readonly limits?: Partial<NodeLimits>;
  /** `false`: its node does not keep to the protocol, and checkers do not hold it to anything. Default true. */
  readonly isHonest?: boolean;
  /** A `KadNode` by default. Called at each start of the host. */
  readonly machine?: MakeMachine<M>;
  /** `ipv4` by default. */
  readonly families?: Families;
  /** URLs to have in place of addresses from the plan: `udp://192.0.2.1:4100`. At most one for each family. */
  readonly addresses?: readonly string[];
  /** With the addresses of a subnet that others share; otherwise each host has a /24 and a /64 of its own. */
  readonly subnet?: Subnet;
  /** Behind this NAT, with IPv4. */
  readonly nat?: Nat;
  /** Drawn by the delay model by default. */
  readonly place?: Place;
  readonly uplink?: Bandwidth;
  readonly downlink?: Bandwidth;
  /** What the monotonic clock says when the simulation begins, in ms; 0 by default. */
  readonly clockOriginMs?: number;
  /** How far the wall clock is ahead of the true one, in ms; 0 by default. */
  readonly wallClockErrorMs?: number;
  /** Attached at each start, before anything is sent. */
  readonly plugins?: () => readonly Plugin[];
  /** `false`: it is down until `start()`. */
  readonly isStarted?: boolean;
}

/**
 * `up`: it runs. `asleep`: suspended, its monotonic clock stands still, and what arrives is lost. `paused`: its process is
 * stopped while its clocks run, and what arrives waits in the kernel. `down`: it has crashed, left, or not been started.
 */
export type HostState = "up" | "asleep" | "paused" | "down";

/** What a host finds again when it starts. */
export interface RestartOptions {
  /** `false`: it comes back under a new id. Default true. */
  readonly sameId?: boolean;
  /** `false`: its records are gone. Default true. */
  readonly keepsRecords?: boolean;
  /** Whether it asks the contacts that it had at its end; false by default. */
  readonly keepsContacts?: boolean;
  /** `true`: it comes back in another network, at addresses of another subnet. Default false. */
  readonly moves?: boolean;
  /** Whom it joins through besides. */
  readonly seeds?: readonly SimHost[];
}
