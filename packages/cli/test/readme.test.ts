import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { kadFromSource } from "./support/io.ts";
import { bound } from "./support/network.ts";

let folder: string;
let env: NodeJS.ProcessEnv;

/** `kad`, and `npx` that runs it, stand first in the PATH. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-readme-"));
  const kad = kadFromSource.map((word) => `'${word}'`).join(" ");
  await writeExecutable("kad", `exec ${kad} "$@"`);
  await writeExecutable("npx", `shift; exec ${kad} "$@"`);
  const { PATH = "" }: { PATH?: string } = process.env;
  env = { ...process.env, PATH: `${folder}:${PATH}` };
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

it("opens with lines that run in a shell, and print what they say", { timeout: 120_000 }, async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [, lines = ""] = /```sh\n(.*?)```/s.exec(readme) ?? [];
  const script = lines
    .replaceAll("4100", String(await freePort()))
    .replace("> node.log", `> ${folder}/node.log`)
    .replaceAll("copy.md", join(folder, "copy.md"))
    .replaceAll("./me", join(folder, "me"));
  const cwd = new URL("..", import.meta.url);
  const { stdout, stderr } = await promisify(execFile)("sh", ["-e", "-c", `${script}\nwait`], { env, cwd });
  expect(stderr).toBe("");
  const promised = [...lines.matchAll(/# → (.*)/g)].map(([, text = ""]) => text);
  expect(promised).toEqual(["hello", "back at noon", "in again"]);
  for (const text of promised) expect(stdout).toContain(text);
  expect(stdout).toMatch(/[0-9a-f]{64} +\d+ bits +udp:\/\/127\.0\.0\.1:\d+$/m);
  expect(stdout).toMatch(/^ended: the closest that were needed have answered\nfound 5 bytes: 1 request, /m);
  expect(stdout).toMatch(/answered in [\d.]+ ms$/m);
  expect(stdout).toMatch(/^ +nodes met +1, of which 1 answered a ping$/m);
  expect(await readFile(join(folder, "node.log"), "utf8")).toMatch(/^listening .*\nstopped\n$/s);
});

it("has lines for a private network that run in a shell, and keep out who has no key", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [, lines = ""] = /^#### Who, and with whom\n.*?```sh\n(.*?)```/ms.exec(readme) ?? [];
  const log = join(folder, "private.log");
  const script = lines
    .replaceAll("4102", String(await freePort()))
    .replaceAll("./network-key", join(folder, "network-key"))
    .replace("> private.log &", `> ${log} &\nuntil grep -qs listening ${log}; do sleep 0.05; done`);
  const { stdout, stderr } = await promisify(execFile)("sh", ["-e", "-c", script], { env });
  expect(stdout).toMatch(/^copy .*network-key to every machine that is to be let in, and to no other\n/);
  expect(stdout).toMatch(/^[0-9a-f]{64}\nnobody is there, for all that a stranger can tell\n$/m);
  expect(stderr).toMatch(/^kad: udp:.* did not answer within 1\.0+ s/);
});

it("has a guide whose lines run in two terminals, and print what they say", async () => {
  const guide = await readFile(new URL("../../../docs/guides/getting-started.md", import.meta.url), "utf8");
  const [, shell = ""] = /^## In a shell\n(.*?)^## /ms.exec(guide) ?? [];
  const [first = "", second = ""] = [...shell.matchAll(/```sh\n(.*?)```/gs)].map(([, lines = ""]) => lines);
  await writeFile(join(folder, "hello.js"), "console.log('hello');\n");
  const log = join(folder, "guide.log");
  const script =
    `${first.trim()} > ${log} &\nuntil grep -qs listening ${log}; do sleep 0.05; done\n${second}\nkill $!`
      .replaceAll("4100", String(await freePort()))
      .replace("hello.js", join(folder, "hello.js"));
  const cwd = new URL("..", import.meta.url);
  const { stdout, stderr } = await promisify(execFile)("sh", ["-e", "-c", script], { env, cwd });
  expect(stderr).toBe("");
  expect(second).toContain("# → hello");
  expect(stdout).toMatch(/^hello\n?(?:.*\n)*[0-9a-f]{64}\nkad: a Kademlia/);
});

it("is what the third command of the repository's README runs", async () => {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const [, third = ""] = /```sh\n(npx kad sim .*)\n```/.exec(readme) ?? [];
  // The same, of a network that costs less.
  const script = third.replace(/--nodes \d+ /, "--nodes 60 --lookups 100 ");
  expect(script).toContain("--nodes 60 ");
  const cwd = new URL("..", import.meta.url);
  const { stdout, stderr } = await promisify(execFile)("sh", ["-e", "-c", script], { env, cwd });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^60 nodes, seed 1, 1 h, 50 % of all killed\n/);
  expect(stdout).toMatch(/^ {2}gets +100: [\d.]+ % gave the newest value/m);
  expect(stdout).toMatch(/^in the last minute .* 30 nodes at the end:$/m);
});

async function writeExecutable(name: string, line: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\n${line}\n`);
  await chmod(join(folder, name), 0o755);
}

async function freePort(): Promise<number> {
  const socket = await bound(0);
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
