import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isThere, nodesLibuv, titleOf } from "./worlds.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));

describe.skipIf(!isThere(nodesLibuv))(
  `in a process whose own loop never turns, ${titleOf(nodesLibuv)}`,
  () => {
    const ways = [
      ["uvUdp", "default"],
      ["uvUdp", "once"],
      ["uvUdp", "nowait"],
      ...(process.platform === "linux" ? [["posixUdp", "once"]] : []),
    ];

    it.concurrent.for(ways)("a put and a get complete with callbacks alone: %s, %s", (args) => {
      const command = ["--conditions=@kad/source", "--import=tsx", "test/programs/put-and-get.ts", ...args];
      const options = { cwd: folder, encoding: "utf8", timeout: 100_000, killSignal: "SIGKILL" } as const;
      const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
      expect([stderr, stdout, status]).toEqual(["", "done\n", 0]);
    });
  },
);
