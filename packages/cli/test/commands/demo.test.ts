import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode } from "@kad/dht";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { begin, run } from "../support/io.ts";
import { bound } from "../support/network.ts";

/** Children start from their sources: they take seconds on a busy machine. */
const timeout = 60_000;
const text = "one\n\ntwo\n\none\nthree \u{1f600}\n";

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-demo-"));
  file = join(folder, "lines.txt");
  await writeFile(file, text);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("kad demo", () => {
  it("stores each different line and reads it twice, with processes among the nodes", {
    timeout,
  }, async () => {
    const io = await run(["demo", file, "--exit", "--json", "--nodes", "7", "--processes", "2"]);
    expect([io.code, io.err]).toEqual([0, ""]);
    expect(io.events[0]).toEqual({
      event: "begin",
      file: "lines.txt",
      bytes: new TextEncoder().encode(text).length,
      lines: 6,
      blankLines: 2,
      repeatedLines: 2,
      cutLines: 0,
      records: 4,
    });
    const joined = io.eventsOf("joined");
    expect(new Set(joined.map(({ id }) => id)).size).toBe(9);
    expect(joined.filter(({ pid }) => pid !== undefined && pid !== process.pid)).toHaveLength(2);
    expect(joined[1]).toMatchObject({
      contacts: 1,
      requests: expect.any(Number),
      durationMs: expect.any(Number),
    });
    const lines = ["one", "", "two", "three \u{1f600}"];
    for (const [name, steps] of [
      ["stored", 1],
      ["read", 2],
    ] as const) {
      const texts = io.eventsOf(name).map((event) => (event as unknown as { text: string }).text);
      expect(texts.sort()).toEqual(
        Array.from({ length: steps }, () => lines)
          .flat()
          .sort(),
      );
    }
    const killed = io.eventsOf("killed");
    expect(killed).toHaveLength(3);
    expect(killed.filter(({ pid }) => pid !== undefined)).toHaveLength(1);
    expect(io.eventsOf("stepEnd")).toMatchObject(
      ["start", "store", "read", "chunks", "announce", "kill", "reread", "file", "providers"].map((step) => ({
        step,
        failures: 0,
      })),
    );
    const bytes = new TextEncoder().encode(text).length;
    expect(io.events[1]).toEqual({ event: "file", file: "lines.txt", bytes, chunks: 1 });
    const fileKey = io.eventsOf("fileStored")[0]?.key;
    expect(io.eventsOf("fileStored")).toEqual([
      { event: "fileStored", key: fileKey, bytes, chunks: 1, manifests: 0, leastAccepted: 8 },
    ]);
    expect(io.eventsOf("fileRead")).toEqual([{ event: "fileRead", key: fileKey, bytes, chunks: 1 }]);
    const announced = io.eventsOf("announced").map(({ id }) => id);
    const dead = new Set(killed.map(({ id }) => id));
    const found = io.eventsOf("found") as unknown as { reader: string; alive: number }[];
    expect(announced).toHaveLength(3);
    expect(found.map(({ alive }) => alive)).toEqual([
      ...found.slice(0, 2).map(() => announced.length), // slice: a list of events
      ...found.slice(2).map(() => announced.filter((id) => !dead.has(id)).length), // slice: a list of events
    ]);
    expect(found.length).toBeGreaterThan(2);
    expect(io.events.at(-1)).toMatchObject({ event: "result", ok: true, alive: 6 });
    for (const { address } of joined) await expectFree(address as string);
  });

  it("tells people the same, by ten lines a step", async () => {
    const io = await run(["demo", file, "--exit", "--nodes", "24", "--processes", "0"]);
    expect(io.code).toBe(0);
    expect(io.out).not.toContain("\u001b");
    const lines = io.out.split("\n");
    expect(lines).toContain("lines.txt: 6 lines, 25 B, make 4 records");
    expect(lines).toContain("  2 blank; 2 equal to an earlier one, which they share");
    expect(lines).toContain("lines.txt: 25 B as a whole, make 1 chunk");
    expect(lines.filter((line) => /^ +\d+\/24 {2}\+ /.test(line))).toHaveLength(10);
    expect(lines.filter((line) => /^ +[1-4]\/4 {2}line +\d /.test(line))).toHaveLength(12);
    expect(io.out).toMatch(
      / {3}✓ 24 nodes joined in [\d.]+ m?s\n {5}each took [\d.]+ requests, .*; p50 .*, p95 /,
    );
    expect(io.out).toMatch(
      / {3}✓ 4 records stored in .*\n {5}each is kept by 20\.0 holders, by 20 at least\n/,
    );
    expect(io.out).toMatch(
      / {3}✓ 4 of 4 records came back, byte for byte the same, in .*\n {5}answered by \d nodes?, most by :/,
    );
    expect(io.out).toMatch(
      / {3}✓ 25 B stored in .* as 1 chunk under 0 manifests, each kept by 20 holders at least\n/,
    );
    expect(io.out).toMatch(
      / {3}✓ 4 nodes announced it, and 4 others found all 4 that are alive, the first of them within .*, in /,
    );
    expect(io.out).toMatch(/ {3}✓ 8 nodes gone: 8 sockets closed\n/);
    expect(io.out).toMatch(/ {3}✓ 25 B came back, byte for byte the same, in .*\/s\)\n/);
    expect(io.out).toMatch(/ {3}✓ [1-4] nodes? found all 2 that are alive, the first of them within .*, in /);
    expect(lines.at(-2)).toMatch(/^Everything worked, in .*\. 16 nodes are left\.$/);
  });

  it("draws in place on a terminal, and leaves there what it prints elsewhere", async () => {
    const io = await run(["demo", file, "--exit", "--nodes", "24", "--processes", "0"], {
      isTTY: true,
      env: { NO_COLOR: "1" },
    });
    expect(io.code).toBe(0);
    expect(io.out).toMatch(/█+░* +\d+\/24 {2}/);
    const left = screenOf(io.out);
    expect(left).toMatch(/^1 {2}Nodes start and find one another\n {3}✓ 24 nodes joined/m);
    expect(left).not.toMatch(/[█░]/);
    expect(left).toContain("Everything worked");
  });

  it("stays, tells how to join, and tells who does", { timeout }, async () => {
    const { io, code } = begin(["demo", file, "--json", "--nodes", "4", "--processes", "0"]);
    await io.until(/"event":"ready"/);
    const [ready] = io.eventsOf("ready");
    const [, address = ""] =
      /^npx kad node --bootstrap (udp:\/\/127\.0\.0\.1:\d+)$/.exec(ready?.join ?? "") ?? [];
    const visitor = await createNode({ listen: "udp://127.0.0.1:0", bootstrap: [address] });
    await io.until(/"event":"visitor"/);
    expect(io.eventsOf("visitor")).toEqual([
      { event: "visitor", id: visitor.id.toHex(), address: visitor.addresses[0] },
    ]);
    await visitor.close();
    io.abort();
    expect(await code).toBe(0);
    await expectFree(address);
  });

  it("tells people who joins, too", async () => {
    const { io, code } = begin(["demo", file, "--nodes", "4", "--processes", "0"]);
    const [, address = ""] = await io.until(/^ {2}npx kad node --bootstrap (\S+)$/m);
    const visitor = await createNode({ listen: "udp://127.0.0.1:0", bootstrap: [address] });
    await io.until(
      new RegExp(`^ {2}\\+ ${visitor.id.toHex().slice(0, 8)}… ${visitor.addresses[0]} has joined`, "m"),
    ); // slice: a string
    await visitor.close();
    io.abort();
    expect(await code).toBe(0);
  });

  it("leaves nothing behind when the signal comes in the middle", { timeout }, async () => {
    const { io, code } = begin(["demo", file, "--json", "--nodes", "30", "--processes", "1"]);
    await io.until(/(?:"event":"joined".*?){3}/s);
    io.abort();
    expect(await code).toBe(130);
    expect(io.err).toBe("");
    for (const { address } of io.eventsOf("joined")) await expectFree(address as string);
  });

  it("says so when a node in a process of its own does not start", { timeout }, async () => {
    const argv = ["demo", file, "--exit", "--nodes", "4", "--processes", "1"];
    const silent = await run(argv, { kad: [process.execPath, "-e", "process.exit(7)"] });
    const started = "the network did not start: a node in a process of its own did not start:";
    expect(silent).toMatchObject({ code: 1, err: `kad: ${started} it ended with 7\n` });
    const loud = await run(argv, {
      kad: [process.execPath, "-e", "console.error('no such thing'); process.exit(1)"],
    });
    expect(loud).toMatchObject({ code: 1, err: `kad: ${started} no such thing\n` });
    const missing = await run(argv, { kad: [join(folder, "no-such-program")] });
    expect(missing.code).toBe(1);
    expect(missing.err).toMatch(/did not start: spawn .*no-such-program ENOENT\n$/);
  });

  it("takes the repository's README and lock file where it is given no file", async () => {
    const io = await run(["demo", "--exit", "--json", "--nodes", "4", "--processes", "0"]);
    expect(io.code).toBe(0);
    expect(io.events[0]).toMatchObject({ event: "begin", file: "README.md" });
    const lockFile = await readFile(new URL("../../../../package-lock.json", import.meta.url));
    const [stored] = io.eventsOf("fileStored");
    expect(io.events[1]).toMatchObject({ event: "file", file: "package-lock.json", bytes: lockFile.length });
    expect(stored).toMatchObject({ bytes: lockFile.length });
    expect(io.eventsOf("fileRead")).toMatchObject([{ key: stored?.key, bytes: lockFile.length }]);
  });

  it.each([
    ["empty.txt", "", "it is empty; the demo takes 1 to 10,000 different lines"],
    [
      "many.txt",
      Array.from({ length: 10_001 }, (_, i) => i).join("\n"),
      "10,001 different lines; the demo takes 1 to 10,000 different lines",
    ],
    ["large.txt", "\n".repeat(16 * 2 ** 20 + 1), "16,777,217 bytes; the demo takes up to 16,777,216"],
  ])("refuses %s", async (name, content, reason) => {
    const path = join(folder, name);
    await writeFile(path, content);
    expect(await run(["demo", path])).toMatchObject({ code: 2, out: "", err: `kad: ${path}: ${reason}\n` });
  });
});

/** Nobody has the port any more: a bind of ours succeeds. */
async function expectFree(address: string): Promise<void> {
  const socket = await bound(Number(new URL(address).port));
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}

/** What is left on a terminal: of its sequences those that a screen uses. */
function screenOf(output: string): string {
  const lines = [""];
  const marked = output
    .replaceAll("\r\x1b[2K", "\0erase\0")
    .replaceAll("\x1b[1A\x1b[2K", "\0up\0")
    .replaceAll("\n", "\0down\0");
  for (const part of marked.split("\0")) {
    if (part === "down") lines.push("");
    else if (part === "erase") lines.splice(-1, 1, "");
    else if (part === "up") lines.splice(-2, 2, "");
    else lines[lines.length - 1] += part;
  }
  return lines.join("\n");
}
