import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { note, whyNot } from "./epoll-nodes.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));

function command(name: string, ...args: string[]): string[] {
  return ["--conditions=@kad/source", "--import=tsx", `test/programs/${name}.ts`, ...args];
}

describe.skipIf(whyNot !== undefined)(`in a process whose own loop never turns${note}`, () => {
  it("a put and a get complete with callbacks alone", () => {
    const options = { cwd: folder, encoding: "utf8", timeout: 100_000, killSignal: "SIGKILL" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, command("put-and-get"), options);
    expect([stderr, stdout, status]).toEqual(["", "done\n", 0]);
  });

  it.each(["epoll", "poll"])(
    "a signal ends a wait in %s, and its handler runs once the program is back in Node's loop",
    async (wait) => {
      const child = spawn(process.execPath, command("until-signal", wait), { cwd: folder });
      const killer = setTimeout(() => child.kill("SIGKILL"), 100_000);
      let output = "";
      // Again and again: one that comes between two waits ends neither, and only Node's loop would hear of it.
      const signals = setInterval(() => {
        if (output.includes("running") && !output.includes("stopped")) child.kill("SIGTERM");
      }, 50);
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes("handler") && output.includes("turned")) child.stdin.end();
      });
      const status = await new Promise((resolve) => child.once("close", resolve));
      clearInterval(signals);
      clearTimeout(killer);
      const lines = output.trim().split("\n");
      expect(lines.slice(0, 3)).toEqual(["running", "interrupted", "stopped, interrupts: 1"]);
      expect([new Set(lines.slice(3)), status]).toEqual([new Set(["handler", "turned"]), 0]);
    },
  );
});
