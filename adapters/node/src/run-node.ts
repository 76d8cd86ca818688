/** Everything that a node needs in a Node process, wired: machine, driver, router of transports, and the loop. */
import {
  type AddressTable,
  type Commands,
  Driver,
  type DriverOptions,
  type Machine,
  type NodeEvent,
  type Transport,
  TransportRouter,
} from "@kad/core";
import { NodeLoop, type NodeLoopOptions } from "./node-loop.ts";

export interface RunNodeOptions extends DriverOptions, NodeLoopOptions {
  /** A new node, or a channel around one. */
  readonly machine: Machine<NodeEvent> & Commands;
  /** Not yet open; at most one for each kind of address. */
  readonly transports: readonly Transport[];
  /** The table that the node was given. */
  readonly addresses: AddressTable;
}

export interface RunningNode {
  /** For commands and plugins. */
  readonly driver: Driver;
  /** For local addresses and counters. */
  readonly router: TransportRouter;
  /** Whether the node keeps the process alive; it does at first. */
  ref(): void;
  unref(): void;
  /** Closes the node, lets what it still says leave, and frees every handle. A second call returns the same promise. */
  close(): Promise<void>;
}

/**
 * Opens the transports and starts the node. When a transport cannot open, everything is closed again, the machine too.
 * @throws (rejects) ListenError that names the address
 */
export async function runNode(options: RunNodeOptions): Promise<RunningNode> {
  const { machine, transports, addresses } = options;
  const loop = new NodeLoop(options);
  const router = new TransportRouter({ transports, addresses });
  const driver = new Driver(machine, loop, router, options);
  loop.start(driver);
  let closing: Promise<void> | undefined;
  const node: RunningNode = {
    driver,
    router,
    ref() {
      loop.ref();
      router.ref();
    },
    unref() {
      loop.unref();
      router.unref();
    },
    close() {
      if (closing !== undefined) return closing;
      let start: (closed: Promise<void>) => void = () => undefined;
      // Set before anything is closed: an event of the closing may call this again.
      closing = new Promise((resolve) => {
        start = resolve;
      });
      start(closeAll(driver, router, loop));
      return closing;
    },
  };
  try {
    await router.open(loop);
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

async function closeAll(driver: Driver, router: TransportRouter, loop: NodeLoop): Promise<void> {
  driver.close();
  await Promise.resolve(); // called from inside a callback, the pump under way must end first: it sends the last messages
  try {
    await router.close();
  } finally {
    loop.close();
  }
}
