/** Everything that a node needs in a page or a worker, wired: machine, driver, router of transports, loop, and the page's end. */
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
import { BrowserLoop, type BrowserLoopOptions } from "./browser-loop.ts";

export interface RunNodeOptions extends DriverOptions, BrowserLoopOptions {
  /** A new node, or a channel around one. */
  readonly machine: Machine<NodeEvent> & Commands;
  /** Not yet open; at most one for each kind of address. */
  readonly transports: readonly Transport[];
  /** The table that the node was given. */
  readonly addresses: AddressTable;
  /** Whether the node closes with the page, so that others hear of it. Default: true. */
  readonly closeWithPage?: boolean;
}

export interface RunningNode {
  /** For commands and plugins. */
  readonly driver: Driver;
  /** For local addresses and counters. */
  readonly router: TransportRouter;
  /** Closes the node, lets what it still says leave, and frees everything. A second call returns the same promise. */
  close(): Promise<void>;
}

/**
 * Opens the transports and starts the node. When a transport cannot open, everything is closed again, the machine too.
 * @throws (rejects) what the transport throws
 */
export async function runNode(options: RunNodeOptions): Promise<RunningNode> {
  const { machine, transports, addresses, closeWithPage = true } = options;
  const loop = new BrowserLoop(options);
  const router = new TransportRouter({ transports, addresses });
  const driver = new Driver(machine, loop, router, options);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    if (closing !== undefined) return closing;
    let start: (closed: Promise<void>) => void = () => undefined;
    // Set before anything is closed: an event of the closing may call this again.
    closing = new Promise((resolve) => {
      start = resolve;
    });
    forget();
    start(closeAll(driver, router, loop));
    return closing;
  };
  const forget = watchPage(loop, closeWithPage ? () => void close() : undefined);
  loop.start(driver);
  try {
    await router.open({
      deliver: (event) => driver.deliver(event),
      wake: loop.pumpBatch,
      report: (error) => loop.report(error),
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { driver, router, close };
}

/**
 * `pagehide` is the last that a page hears; until then it may be hidden, frozen and shown again, and its clock with it. A worker
 * hears of nothing.
 */
function watchPage(loop: BrowserLoop, onEnd: (() => void) | undefined): () => void {
  const page = globalThis as {
    addEventListener?(name: string, listener: () => void, capture: boolean): void;
    removeEventListener?(name: string, listener: () => void, capture: boolean): void;
  };
  if (page.addEventListener === undefined || page.removeEventListener === undefined) return () => undefined;
  const listeners: [string, () => void][] = [
    ["pageshow", () => loop.wakeUp()],
    ["online", () => loop.wakeUp()],
    ["resume", () => loop.wakeUp()],
    ["visibilitychange", () => loop.wakeUp()],
  ];
  if (onEnd !== undefined) listeners.push(["pagehide", onEnd]);
  // Those of the document come up to the window; `true`: also those that do not bubble.
  for (const [name, listener] of listeners) page.addEventListener(name, listener, true);
  return () => {
    for (const [name, listener] of listeners) page.removeEventListener?.(name, listener, true);
  };
}

async function closeAll(driver: Driver, router: TransportRouter, loop: BrowserLoop): Promise<void> {
  driver.close();
  await Promise.resolve(); // called from inside a callback, the pump under way must end first: it sends the last messages
  try {
    await router.close();
  } finally {
    loop.close();
  }
}
