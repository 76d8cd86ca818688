import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { kadFromSource } from "./support/io.ts";
import { bound } from "./support/network.ts";

/** Processes start from their sources: they take seconds on a busy machine. */
const timeout = 60_000;
const bin = fileURLToPath(new URL("../bin/kad.js", import.meta.url));
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

interface Started {
  readonly child: ChildProcess;
  /** The next line of stdout as JSON. */
  readonly next: () => Promise<{ event: string; address?: string; addresses?: string[]; pid?: number }>;
}

function start(argv: readonly string[], env: Record<string, string> = {}): Started {
  const [program = "", ...args] = kadFromSource;
  const child = spawn(program, [...args, ...argv], { env: { ...process.env, ...env } });
  started.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, next: async () => JSON.parse((await lines.next()).value as string) };
}

async function exitOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = child.exitCode === null ? await once(child, "exit") : [child.exitCode, null];
  return code ?? signal;
}

describe("the process", () => {
  it("lives until SIGTERM, obeys it, and its exit code is 0", { timeout }, async () => {
    const { child, next } = start(["node", "--listen", "udp://127.0.0.1:0", "--json"]);
    expect(await next()).toMatchObject({
      event: "listening",
      addresses: [expect.stringMatching(/^udp:\/\/127\.0\.0\.1:/)],
    });
    child.kill("SIGTERM");
    expect(await next()).toEqual({ event: "stopped" });
    expect(await exitOf(child)).toBe(0);
  });

  it("does not end with standard input, unless it is told to", { timeout }, async () => {
    const patient = start(["node", "--json"]);
    patient.child.stdin?.end();
    await patient.next();
    const follower = start(["node", "--json", "--exit-with-stdin"]);
    await follower.next();
    follower.child.stdin?.end();
    expect(await follower.next()).toEqual({ event: "stopped" });
    expect(await exitOf(follower.child)).toBe(0);
    expect(patient.child.exitCode).toBeNull();
    patient.child.kill("SIGINT");
    expect(await exitOf(patient.child)).toBe(0);
  });

  it("ends when nobody reads what it says any more", { timeout }, async () => {
    const { child, next } = start(["demo", "--json", "--nodes", "4", "--processes", "0"]);
    await next();
    child.stdout?.destroy();
    expect(await exitOf(child)).toBe(130);
  });

  it("takes its nodes in other processes with it, even when it is killed", { timeout }, async () => {
    const { child, next } = start(["demo", "--json", "--nodes", "4", "--processes", "2"]);
    const addresses: string[] = [];
    for (let event = await next(); event.event !== "ready"; event = await next()) {
      if (event.event === "joined" && event.pid !== undefined) addresses.push(event.address as string);
    }
    child.kill("SIGKILL");
    expect(await exitOf(child)).toBe("SIGKILL");
    expect(addresses).toHaveLength(2);
    for (const address of addresses) await free(Number(new URL(address).port));
  });

  it("ends with the shell that npx put in between", { timeout }, async () => {
    const script = `${kadFromSource.map((word) => `'${word}'`).join(" ")} node --json; true`;
    const child = spawn("sh", ["-c", script], { env: { ...process.env, npm_lifecycle_event: "npx" } });
    started.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    child.kill("SIGKILL");
    expect(JSON.parse((await lines.next()).value as string)).toEqual({ event: "stopped" });
  });

  it("says in one line what is wrong, on stderr alone", { timeout }, async () => {
    const [program = "", ...args] = kadFromSource;
    const failed = await promisify(execFile)(program, [...args, "nod"]).catch((error: unknown) => error);
    const stderr = 'kad: there is no command "nod"; did you mean "node"?\n';
    expect(failed).toMatchObject({ code: 2, stdout: "", stderr });
  });
});

describe("bin/kad.js", () => {
  it("is executable", async () => {
    expect((await stat(bin)).mode & 0o111).toBe(0o111);
  });

  it("says what to do where there is no build", { timeout }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "kad-bin-"));
    try {
      await mkdir(join(folder, "bin"));
      await copyFile(bin, join(folder, "bin", "kad.js"));
      await writeFile(join(folder, "package.json"), '{ "type": "module" }');
      const run = promisify(execFile)(process.execPath, [join(folder, "bin", "kad.js"), "--help"]);
      const stderr = "kad: it is not built yet; run `npm run build` in the repository first\n";
      await expect(run).rejects.toMatchObject({ code: 1, stdout: "", stderr });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const pollMs = 20;

/** Resolves as soon as nobody has the port any more. */
async function free(port: number): Promise<void> {
  for (;;) {
    const socket = await bound(port).catch(() => undefined);
    if (socket !== undefined) return void socket.close();
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
