/** A node in the frames of a game: an adapter as short as they get. */
import {
  type AddressTable,
  type Commands,
  type Deadline,
  Driver,
  type DriverOptions,
  type Host,
  type Machine,
  type NodeEvent,
  type Transport,
  TransportRouter,
  WallClock,
} from "@kad/core";
import type { Game } from "./game.ts";

export interface GameNodeOptions extends DriverOptions {
  readonly machine: Machine<NodeEvent> & Commands;
  readonly transports: readonly Transport[];
  readonly addresses: AddressTable;
  readonly report: (error: unknown) => void;
}

export class GameNode implements Host {
  readonly driver: Driver;
  readonly router: TransportRouter;
  readonly #game: Game;
  readonly #options: GameNodeOptions;
  readonly #wallClock: WallClock;
  #pumps: (() => void)[] = [];
  #leave: () => void = () => undefined;

  constructor(game: Game, options: GameNodeOptions) {
    this.#game = game;
    this.#options = options;
    this.router = new TransportRouter(options);
    this.driver = new Driver(options.machine, this, this.router, options);
    this.#wallClock = new WallClock((event) => this.driver.deliver(event));
  }

  // What the driver asks of its host.

  nowMs(): number {
    return this.#game.nowMs; // a paused game pauses the node
  }

  arm(_deadline: Deadline | undefined): void {
    // Nothing to set: each frame looks whether one is due.
  }

  schedule(pump: () => void): void {
    this.#pumps.push(pump); // for the next frame: in between, Node reads its sockets
  }

  report(error: unknown): void {
    this.#options.report(error);
  }

  // What the game does with the node.

  async open(): Promise<void> {
    this.#leave = this.#game.onFrame(() => this.#turn());
    try {
      await this.router.open({
        deliver: (event) => this.driver.deliver(event),
        wake: () => undefined, // the next frame is never far away
        report: (error) => this.report(error),
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #turn(): void {
    const pumps = this.#pumps.splice(0); // those that they schedule are for the frame after
    for (const pump of pumps) pump();
    this.#wallClock.check(this.#game.nowMs, Date.now());
    this.driver.pump();
  }

  async close(): Promise<void> {
    this.driver.close();
    await Promise.resolve(); // from inside a callback the turn under way ends first: it sends the last messages
    this.#leave();
    await this.router.close();
  }
}
