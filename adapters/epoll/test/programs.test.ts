import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { note, whyNot } from "./epoll-nodes.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));

function command(name: string, ...args: string[]): string[] {
  return ["--conditions=@kad/source", "--import=tsx", `test/programs/${name}.ts`, ...args];
}

describe.skipIf(whyNot !== undefined)(`in a process whose own loop never turns${note}`, () => {
  it("a put and a get complete with callbacks alone", { timeout: 60_000 }, () => {
    const options = { cwd: folder, encoding: "utf8", timeout: 50_000, killSignal: "SIGKILL" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, command("put-and-get"), options);
    expect([stderr, stdout, status]).toEqual(["", "done\n", 0]);
  });

  it.each(["epoll", "poll"])(
    "a signal ends a wait in %s, and its handler runs once the program is back in Node's loop",
    { timeout: 60_000 },
    async (wait) => {
      const child = spawn(process.execPath, command("until-signal", wait), { cwd: folder });
      const killer = setTimeout(() => child.kill("SIGKILL"), 50_000);
      let output = "";
      let signalled = false;
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (signalled || !output.includes("running")) return;
        signalled = true;
        setTimeout(() => child.kill("SIGTERM"), 100); // once it waits
      });
      const status = await new Promise((resolve) => child.once("close", resolve));
      clearTimeout(killer);
      expect([output.trim().split("\n"), status]).toEqual([
        ["running", "interrupted", "stopped, interrupts: 1", "handler", "turned"],
        0,
      ]);
    },
  );
});
