import { createRequire } from "node:module";
import { loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { udp } from "@kad/transport-udp";
import { describe, it } from "vitest";
import { Game } from "../src/game.ts";
import { GameNode } from "../src/game-node.ts";

const inGame: MakeLoop = () => {
  const game = new Game();
  game.start();
  return {
    async start(options) {
      const node = new GameNode(game, options);
      await node.open();
      return node;
    },
    transport: () => udp({ listen: "udp://127.0.0.1:0" }),
    nowMs: () => game.nowMs,
    openHandles: () => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length,
    close: () => game.stop(),
  };
};

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);

loopAdapterSuite(inGame, { name: "a game with fixed time steps", traces, runner: { describe, it } });
