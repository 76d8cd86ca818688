import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chunkBytes } from "@kad/dht";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Env } from "../../src/io.ts";
import { begin, chunks, run } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

let network: TestNetwork;
let folder: string;
let env: Env;

beforeAll(async () => {
  network = await openNetwork(4);
  folder = await mkdtemp(join(tmpdir(), "kad-files-"));
  env = { KAD_BOOTSTRAP: network.url };
});

afterAll(async () => {
  await network.close();
  await rm(folder, { recursive: true });
});

/** Bytes without a repetition within a chunk, different for each seed. */
function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * seed + Math.floor(index / 251)) % 256);
}

const size = 40 * chunkBytes + 5;
const bytes = bytesOf(size, 7);
const signature = [0x89, 0x6b, 0x61, 0x64];

async function keyOf(content: Uint8Array, ...options: string[]): Promise<string> {
  const put = await run(["put", "-", ...options], { env, stdin: chunks(content) });
  expect(put).toMatchObject({ code: 0, err: "" });
  return put.out.trim();
}

describe("a file that is put and got", () => {
  it("comes back byte for byte, to standard output and to a file, from wherever it came", async () => {
    const path = join(folder, "source");
    await writeFile(path, bytes);
    const put = await run(["put", path], { env });
    expect(put).toMatchObject({ code: 0, err: "" });
    expect(put.out).toMatch(/^[0-9a-f]{64}\n$/);
    const key = put.out.trim();
    expect(await keyOf(bytes)).toBe(key);
    const get = await run(["get", key], { env });
    expect(get).toMatchObject({ code: 0, err: "" });
    expect(get.bytes).toEqual(bytes);
    const copy = join(folder, "copy");
    expect(await run(["get", key, "--output", copy], { env })).toMatchObject({ code: 0, out: "", err: "" });
    expect(Uint8Array.from(await readFile(copy))).toEqual(bytes);
  });

  it("is a record as long as it fits into one, unless it is to be a file", async () => {
    const most = bytesOf(1_000, 3);
    const records = [await keyOf(most), await keyOf(new Uint8Array(0))];
    const files = [await keyOf(most, "--file"), await keyOf(new Uint8Array(0), "--file")];
    expect(new Set([...records, ...files]).size).toBe(4);
    for (const keys of [records, files]) {
      expect((await run(["get", keys[0] as string], { env })).bytes).toEqual(most);
      expect((await run(["get", keys[1] as string], { env })).bytes).toEqual(new Uint8Array(0));
    }
    const more = bytesOf(1_001, 3);
    expect((await run(["get", await keyOf(more)], { env })).bytes).toEqual(more);
    const text = await run(["put", "--text", "x".repeat(1_500)], { env });
    expect((await run(["get", text.out.trim()], { env })).out).toBe("x".repeat(1_500));
  });

  it("comes back as it was even where it looks like a part of a file", async () => {
    const chunk = Uint8Array.of(...signature, 1, 0, 1, 2, 3);
    const broken = Uint8Array.of(...signature, 9);
    for (const content of [chunk, broken, Uint8Array.from(signature)]) {
      expect((await run(["get", await keyOf(content)], { env })).bytes).toEqual(content);
    }
  });

  it("is told to programs in JSON", async () => {
    const put = await run(["put", "-", "--json"], { env, stdin: chunks(bytes) });
    const [stored] = put.events;
    expect(put.events).toEqual([
      {
        event: "stored",
        key: expect.stringMatching(/^[0-9a-f]{64}$/),
        kind: "file",
        bytes: size,
        chunks: 41,
        manifests: 3,
        skipped: expect.any(Number),
        durationMs: expect.any(Number),
        ...("leastAccepted" in (stored ?? {}) ? { leastAccepted: 4 } : {}),
      },
    ]);
    const key = stored?.key as string;
    const get = await run(["get", key, "--json"], { env });
    const pieces = get.eventsOf("bytes") as unknown as { offset: number; base64: string }[];
    expect(pieces.map(({ offset }) => offset)).toEqual(pieces.map((_, index) => index * chunkBytes));
    const content = pieces.flatMap(({ base64 }) => [...Buffer.from(base64, "base64")]);
    expect(Uint8Array.from(content)).toEqual(bytes);
    const file = { event: "file", key, bytes: size, chunks: 41, durationMs: expect.any(Number) };
    expect(get.events.slice(pieces.length)).toEqual([file]); // slice: a list of events
    const output = join(folder, "json");
    const saved = await run(["get", key, "--json", "--output", output], { env });
    expect(saved.events).toEqual([{ ...file, output }]);
    expect(Uint8Array.from(await readFile(output))).toEqual(bytes);
  });

  it("shows on a terminal how far it is, and in the end what it took", async () => {
    const path = join(folder, "shown");
    const content = bytesOf(30_000, 11);
    await writeFile(path, content);
    const terminal = { env: { ...env, NO_COLOR: "1" }, isErrorTTY: true };
    const put = await run(["put", path], terminal);
    expect(put.err).toMatch(
      /30\.0 kB stored as 31 chunks under 3 manifests on 4 holders at least, in [\d.]+ m?s\n$/,
    );
    const again = await run(["put", path], terminal);
    expect(again.err).toMatch(/, of which \d+ were there already/);
    const key = put.out.trim();
    const get = await run(["get", key], { ...terminal, isTTY: true });
    expect(get.bytes).toEqual(Uint8Array.of(...content, 0x0a));
    expect(get.err).toMatch(/30\.0 kB in 31 chunks, in [\d.]+ m?s\n$/);
    expect(get.err).not.toContain("reading");
    const saved = await run(["get", key, "--output", join(folder, "shown copy")], terminal);
    expect(saved.err).toMatch(/30\.0 kB in 31 chunks/);
  });
});

describe("a value that is got", () => {
  it("goes to a file, too", async () => {
    const key = await keyOf(Uint8Array.of(1, 2, 3));
    const output = join(folder, "value");
    expect(await run(["get", key, "--output", output], { env })).toMatchObject({ code: 0, out: "" });
    expect([...(await readFile(output))]).toEqual([1, 2, 3]);
    const { events } = await run(["get", key, "--output", output, "--json"], { env });
    expect(events).toEqual([expect.objectContaining({ event: "value", key, bytes: 3, output })]);
    expect(events[0]).not.toHaveProperty("base64");
  });

  it("leaves a file alone where there is nothing to write", async () => {
    const output = join(folder, "kept");
    await writeFile(output, "kept");
    expect((await run(["get", "0".repeat(64), "--output", output], { env })).code).toBe(3);
    expect(await readFile(output, "utf8")).toBe("kept");
  });
});

/** A record of a file, as its bytes: a chunk, or a manifest of level 1. */
function chunkRecord(content: Uint8Array): Uint8Array {
  return Uint8Array.of(...signature, 1, 0, ...content);
}

function manifestRecord(length: number, keys: readonly string[]): Uint8Array {
  const lengthBytes = [24, 16, 8, 0].map((shift) => (length >> shift) & 0xff);
  const keyBytes = keys.flatMap((key) => [...Buffer.from(key, "hex")]);
  return Uint8Array.of(...signature, 1, 1, 0, 0, 0, 0, ...lengthBytes, ...keyBytes);
}

describe("a file of which something is missing", () => {
  const missing = ["5".repeat(64), "6".repeat(64)];
  const first = bytesOf(chunkBytes, 5);
  let key: string;

  beforeAll(async () => {
    const [node] = network.nodes;
    const chunk = await node?.put(chunkRecord(first));
    const keys = [chunk?.key.toHex() as string, ...missing];
    const root = await node?.put(manifestRecord(2 * chunkBytes + 8, keys));
    key = root?.key.toHex() as string;
  });

  it("ends with what comes before, says what it is, and has an exit code of its own", async () => {
    const get = await run(["get", key], { env });
    expect(get.code).toBe(6);
    expect(get.bytes).toEqual(first);
    expect(get.err).toBe(
      "kad: the file of 1,992 bytes is incomplete: nobody has chunk 1 (bytes 992 to 1,983), chunk 2 (bytes 1,984 to 1,991)\n",
    );
  });

  it("is told to programs part by part", async () => {
    const output = join(folder, "part");
    const get = await run(["get", key, "--json", "--output", output], { env });
    const parts = missing.map((part, index) => ({
      key: part,
      level: 0,
      offset: (index + 1) * chunkBytes,
      bytes: index === 0 ? chunkBytes : 8,
      firstChunk: index + 1,
      chunks: 1,
    }));
    const counts = { bytes: chunkBytes, size: 1_992, missingParts: 2, checkedTo: 1_992 };
    expect(get.code).toBe(6);
    expect(get.events).toEqual([{ event: "incomplete", key, ...counts, missing: parts }]);
    expect(Uint8Array.from(await readFile(output))).toEqual(first);
  });

  it("is refused as a whole where its records contradict each other", async () => {
    const root = await network.nodes[0]?.put(Uint8Array.of(...signature, 1, 1, 0));
    const output = join(folder, "none");
    const get = await run(["get", root?.key.toHex() as string, "--output", output, "--json"], { env });
    expect(get).toMatchObject({ code: 1, out: "" });
    expect(get.err).toMatch(/^kad: file: the record [0-9a-f]{64} .*\n$/);
    await expect(readFile(output)).rejects.toThrow("ENOENT");
  });
});

describe("a file that is not stored to its end", () => {
  it("says how much is, and goes on from there once there is room", async () => {
    const small = await openNetwork(2, { limits: { maxRecords: 12 } });
    try {
      const argv = ["put", "-", "--bootstrap", small.url];
      const put = await run(argv, { stdin: chunks(bytes) });
      expect(put).toMatchObject({ code: 6, out: "" });
      const [, stored = ""] =
        /^kad: the file is not stored: (\d+) of \d+ chunks read so far found holders \(of the next, 0 of \d holders took it, \d full\); the same command again goes on from there\n$/.exec(
          put.err,
        ) ?? [];
      expect(Number(stored)).toBeGreaterThan(0);
      expect(Number(stored)).toBeLessThanOrEqual(24);
      const json = await run([...argv, "--json"], { stdin: chunks(bytes) });
      expect(json.code).toBe(6);
      expect(json.events).toEqual([
        {
          event: "incomplete",
          stored: expect.any(Number),
          chunks: expect.any(Number),
          storedBytes: expect.any(Number),
          bytes: expect.any(Number),
        },
      ]);
    } finally {
      await small.close();
    }
  });

  it("says so when it is interrupted, and goes on where it was", async () => {
    const content = bytesOf(size, 13);
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, 35 * chunkBytes);
      await new Promise(() => undefined);
    }
    const terminal = { env: { ...env, NO_COLOR: "1" }, isErrorTTY: true };
    const { io, code } = begin(["put", "-"], { ...terminal, stdin: slow() });
    await io.untilError(/storing {2}34\.7 kB/);
    io.abort();
    expect(await code).toBe(130);
    expect(io.err).toMatch(
      /kad: interrupted: 35 of 35 chunks read so far are stored; the same command again goes on from there\n$/,
    );
    const again = await run(["put", "-", "--json"], { env, stdin: chunks(content) });
    const [stored] = again.events as unknown as { skipped: number; chunks: number }[];
    expect(stored?.chunks).toBe(41);
    expect(stored?.skipped).toBeGreaterThan(0);
  });
});
