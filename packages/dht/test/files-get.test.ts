import { getEventListeners } from "node:events";
import { immutableKey, NodeId, type RecordKey } from "@kad/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NodeClosed } from "../src/errors.ts";
import { emptyChunk, manifestBody, maxFileBytes } from "../src/files/file-record.ts";
import { Files } from "../src/files/files.ts";
import { sha256 } from "../src/hash.ts";
import {
  FileIncomplete,
  FileTooLarge,
  type GetFileOptions,
  type GetFileProgress,
  type MissingPart,
} from "../src/index.ts";
import { rejection, utf8 } from "./support/network.ts";
import { collect, pattern, RecordMap } from "./support/record-map.ts";

let network: RecordMap;
let files: Files;
beforeEach(() => {
  network = new RecordMap();
  files = new Files(network);
});
afterEach(() => vi.useRealTimers());

/** Puts a value that `putFile` would not have made. */
function forge(body: Uint8Array): RecordKey {
  const key = immutableKey(sha256, body);
  network.bodies.set(key.key, body);
  return key;
}

/** What the loop gives before it ends, and what it ends with. */
async function readUntilError(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: Uint8Array; readonly error: unknown }> {
  const pieces: Uint8Array[] = [];
  const error = await rejection(
    (async () => {
      for await (const piece of source) pieces.push(piece);
    })(),
  );
  return { bytes: new Uint8Array(Buffer.concat(pieces)), error };
}

/** The keys of the chunks of a file, in order, and of its manifests. */
async function keysOf(
  bytes: Uint8Array,
): Promise<{ chunks: RecordKey[]; manifests: RecordKey[]; key: RecordKey }> {
  const { key, chunks } = await files.put(bytes, { concurrency: 1, resume: false });
  const all = network.puts.splice(0);
  const isChunk = (of: RecordKey): boolean => network.bodies.get(of.key)?.[5] === 0;
  expect(all.filter(isChunk)).toHaveLength(chunks);
  return { key, chunks: all.filter(isChunk), manifests: all.filter((of) => !isChunk(of)) };
}

describe("a file that is read", () => {
  it("asks for nothing before its size or its bytes are wanted", async () => {
    const { key } = await files.put(pattern(5_000), { resume: false });
    const file = files.get(key, {});
    expect(file.progress).toEqual({ size: undefined, bytes: 0, chunks: 0 });
    expect(network.gets).toEqual([]);
    expect(await file.size()).toBe(5_000);
    expect(await file.size()).toBe(5_000);
    expect(network.gets).toEqual([key]);
    await collect(file);
    expect(network.gets).toHaveLength(1 + 6);
  });

  it("is read once", async () => {
    const { key } = await files.put(pattern(5_000), {});
    const file = files.get(key, {});
    await collect(file);
    expect(() => file[Symbol.asyncIterator]()).toThrow("its bytes are read already; ask anew");
  });

  it("gives each chunk as it comes, with progress before it", async () => {
    const { key } = await files.put(pattern(2_500), {});
    const seen: GetFileProgress[] = [];
    const lengths: number[] = [];
    for await (const { length } of files.get(key, { onProgress: (progress) => seen.push(progress) })) {
      lengths.push(length);
      expect(seen).toHaveLength(lengths.length);
    }
    expect(lengths).toEqual([992, 992, 516]);
    expect(seen).toEqual([
      { size: 2_500, bytes: 992, chunks: 1 },
      { size: 2_500, bytes: 1_984, chunks: 2 },
      { size: 2_500, bytes: 2_500, chunks: 3 },
    ]);
  });

  it("is asked for no further ahead than it should be, however slowly it is read", async () => {
    const { key } = await files.put(pattern(200_000), {});
    network.mostRunning = 0;
    network.gets.length = 0;
    let read = 0;
    for await (const _ of files.get(key, { readAhead: 7 })) {
      read++;
      await new Promise<void>((resolve) => setImmediate(resolve));
      expect(network.gets.length).toBeLessThanOrEqual(read + 7 + 2 + Math.ceil((read + 7) / 30));
    }
    expect(read).toBe(202);
    expect(network.mostRunning).toBeLessThanOrEqual(7 + 2);
  });

  const ranges: [number | undefined, number | undefined, number][] = [
    [0, 1, 1],
    [undefined, 992, 1],
    [991, 2, 2],
    [50_000, 1_000, 2],
    [99_999, undefined, 1],
    [29_760, 29_760, 30],
    [29_759, 29_762, 32],
    [90_000, 1_000_000, 11],
    [100_000, 10, 0],
    [1_000_000, undefined, 0],
    [500, 0, 0],
    [undefined, undefined, 101],
  ];
  it.each(ranges)("from %s on, %s bytes, takes %i chunks", async (offset, length, chunks) => {
    const bytes = pattern(100_000);
    const { key } = await files.put(bytes, {});
    network.gets.length = 0;
    const options = { ...(offset !== undefined && { offset }), ...(length !== undefined && { length }) };
    const file = files.get(key, options);
    const end = length === undefined ? undefined : (offset ?? 0) + length;
    expect(await collect(file)).toEqual(new Uint8Array(bytes.subarray(offset, end)));
    const isChunk = (of: RecordKey): boolean => network.bodies.get(of.key)?.[5] === 0;
    expect(network.gets.filter(isChunk)).toHaveLength(chunks);
  });

  it("a range of a file of one chunk", async () => {
    const { key } = await files.put(pattern(100), {});
    expect(await collect(files.get(key, { offset: 10, length: 5 }))).toEqual(pattern(100).subarray(10, 15));
    expect(await collect(files.get(key, { offset: 200 }))).toEqual(new Uint8Array(0));
  });

  it.each([
    [{ offset: -1 }, "offset: -1; allowed is a whole number from 0"],
    [{ length: 0.5 }, "length: 0.5"],
    [{ maxBytes: -1 }, "maxBytes: -1"],
    [{ readAhead: 0 }, "readAhead: 0; allowed is a whole number from 1 to 256"],
    [{ retries: 11 }, "retries: 11"],
    [{ parallelism: 65 }, "parallelism: 65"],
    [{ recordTimeoutMs: Number.NaN }, "recordTimeoutMs: NaN"],
    [{ onMissing: "zeros" as unknown as () => "zeros" }, 'onMissing: "zeros"; allowed is a function'],
  ])("the options %j are refused, by the loop and by size()", async (options, message) => {
    const expected = { code: "invalidOption", message: expect.stringContaining(message) };
    const key = forge(emptyChunk(5));
    expect(await rejection(collect(files.get(key, options)))).toMatchObject(expected);
    expect(await rejection(files.get(key, options).size())).toMatchObject(expected);
    expect(network.gets).toEqual([]);
  });

  it("a key of another length, or none, is refused", async () => {
    const short = NodeId.fromHex("abcd");
    expect(await rejection(collect(files.get(short, {})))).toMatchObject({ code: "invalidId" });
    const text = "00".repeat(32) as unknown as RecordKey;
    expect(await rejection(files.get(text, {}).size())).toMatchObject({ code: "invalidArgument" });
  });

  it("more than maxBytes is refused before anything of it is read", async () => {
    const { key } = await files.put(pattern(100_000), {});
    network.gets.length = 0;
    const { bytes, error } = await readUntilError(files.get(key, { maxBytes: 99_999 }));
    expect(error).toBeInstanceOf(FileTooLarge);
    expect(error).toMatchObject({ code: "fileTooLarge", bytes: 100_000 });
    expect(bytes).toHaveLength(0);
    expect(network.gets).toEqual([key]);
    expect(await collect(files.get(key, { maxBytes: 100_000 }))).toHaveLength(100_000);
    expect(await collect(files.get(key, { maxBytes: 10, offset: 99_990 }))).toHaveLength(10);
  });
});

describe("a loop that is left", () => {
  it("early cancels what is under way, and asks for nothing more", async () => {
    const { key } = await files.put(pattern(200_000), {});
    network.gets.length = 0;
    const { signal } = new AbortController();
    for await (const _ of files.get(key, { signal })) break;
    const asked = network.gets.length;
    expect(network.running).toBe(0);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(network.gets).toHaveLength(asked);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(getEventListeners(network.lifetime, "abort")).toEqual([]);
  });

  it("while it waits for bytes ends without them", async () => {
    const { key } = await files.put(pattern(200_000), {});
    network.turn = () =>
      new Promise((_resolve, reject) => network.closing.signal.addEventListener("abort", reject));
    const iterator = files.get(key, {})[Symbol.asyncIterator]();
    const waiting = iterator.next();
    const left = iterator.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await left).toEqual({ done: true, value: undefined });
  });

  it("before it began asks for nothing", async () => {
    const iterator = files.get(forge(emptyChunk(5)), {})[Symbol.asyncIterator]();
    await iterator.return();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(network.gets).toEqual([]);
    expect(getEventListeners(network.lifetime, "abort")).toEqual([]);
  });

  it("by its signal rejects with the reason", async () => {
    const { key } = await files.put(pattern(200_000), {});
    const controller = new AbortController();
    const reason = new Error("enough");
    const pieces: Uint8Array[] = [];
    const reading = (async () => {
      for await (const piece of files.get(key, { signal: controller.signal })) {
        pieces.push(piece);
        if (pieces.length === 3) controller.abort(reason);
      }
    })();
    expect(await rejection(reading)).toBe(reason);
    expect(pieces).toHaveLength(3); // what had been read ahead is not given any more
    expect(network.running).toBe(0);
    expect(getEventListeners(network.lifetime, "abort")).toEqual([]);
  });

  it("by the node's end rejects with NodeClosed, and so does size()", async () => {
    const key = forge(emptyChunk(5));
    network.closing.abort(new NodeClosed());
    expect(await rejection(collect(files.get(key, {})))).toBeInstanceOf(NodeClosed);
    expect(await rejection(files.get(key, {}).size())).toBeInstanceOf(NodeClosed);
    expect(network.gets).toEqual([]);
  });
});

describe("what nobody has", () => {
  const bytes = pattern(100_000);
  const chunkPart = (index: number, key: RecordKey | undefined): Partial<MissingPart> => ({
    key: key as RecordKey,
    level: 0,
    offset: index * 992,
    bytes: Math.min(992, bytes.length - index * 992),
    firstChunk: index,
    chunks: 1,
  });

  it("of a key that is of no file: nothing is known", async () => {
    const key = NodeId.fromBytes(new Uint8Array(32).fill(5));
    const { error } = await readUntilError(files.get(key, { retries: 0 }));
    expect(error).toMatchObject({
      code: "fileIncomplete",
      key,
      size: undefined,
      missingParts: 1,
      missing: [{ key, offset: 0, level: undefined, bytes: undefined, chunks: undefined }],
      message: `file ${key.toHex()}: nobody has it: the key is of no file, or its records have expired`,
    });
    expect(await rejection(files.get(key, { retries: 0 }).size())).toBeInstanceOf(FileIncomplete);
  });

  it("is reported exactly, after everything before it: one chunk", async () => {
    const { key, chunks } = await keysOf(bytes);
    network.bodies.delete((chunks[60] as RecordKey).key);
    const read = await readUntilError(files.get(key, { retries: 0, readAhead: 10 }));
    expect(read.bytes).toEqual(bytes.subarray(0, 60 * 992));
    expect(read.error).toBeInstanceOf(FileIncomplete);
    expect(read.error).toMatchObject({
      key,
      size: 100_000,
      missingParts: 1,
      missing: [chunkPart(60, chunks[60])],
      checkedTo: 70 * 992,
      message: `file ${key.toHex()}: nobody has chunk 60 (992 bytes from 59520), of 100000 bytes; beyond byte 69440 it has not been checked`,
    });
    expect(network.running).toBe(0);
  });

  it("is reported exactly: several, as far as has been asked ahead", async () => {
    const { key, chunks } = await keysOf(bytes);
    for (const index of [5, 7, 12, 90]) network.bodies.delete((chunks[index] as RecordKey).key);
    const { error } = await readUntilError(files.get(key, { retries: 0, readAhead: 10 }));
    expect(error).toMatchObject({
      missing: [5, 7, 12].map((index) => chunkPart(index, chunks[index])),
      missingParts: 3,
      checkedTo: 15 * 992,
    });
  });

  it("is reported exactly: a manifest, with all below it", async () => {
    const { key, manifests } = await keysOf(bytes);
    network.bodies.delete((manifests[1] as RecordKey).key);
    const read = await readUntilError(files.get(key, { retries: 0 }));
    expect(read.bytes).toEqual(bytes.subarray(0, 29_760));
    expect(read.error).toMatchObject({
      missing: [{ key: manifests[1], level: 1, offset: 29_760, bytes: 29_760, firstChunk: 30, chunks: 30 }],
      message: expect.stringContaining("chunks 30 to 59 (29760 bytes from 29760)"),
    });
  });

  it("of the whole file, where the gaps are filled with zeros", async () => {
    const { key, chunks, manifests } = await keysOf(bytes);
    for (const index of [0, 70, 100]) network.bodies.delete((chunks[index] as RecordKey).key);
    network.bodies.delete((manifests[1] as RecordKey).key);
    const told: MissingPart[] = [];
    const file = files.get(key, {
      retries: 0,
      onMissing: (part) => {
        told.push(part);
        return "zeros";
      },
    });
    const read = await readUntilError(file);
    const expected = new Uint8Array(bytes);
    for (const [from, to] of [
      [0, 992],
      [29_760, 59_520],
      [70 * 992, 71 * 992],
      [100 * 992, 100_000],
    ]) {
      expected.fill(0, from, to);
    }
    expect(Buffer.from(read.bytes).equals(expected)).toBe(true);
    expect(read.error).toMatchObject({
      missingParts: 4,
      missing: [
        chunkPart(0, chunks[0]),
        { key: manifests[1], level: 1, offset: 29_760, bytes: 29_760, firstChunk: 30, chunks: 30 },
        chunkPart(70, chunks[70]),
        chunkPart(100, chunks[100]),
      ],
      checkedTo: 100_000,
    });
    expect(told).toEqual((read.error as FileIncomplete).missing);
    expect(file.progress).toEqual({ size: 100_000, bytes: 100_000, chunks: 68 });
  });

  it("of a range is cut to that", async () => {
    const { key, chunks } = await keysOf(bytes);
    network.bodies.delete((chunks[10] as RecordKey).key);
    const range = { offset: 10 * 992 + 500, length: 10_000 };
    const filled = files.get(key, { retries: 0, onMissing: () => "zeros", ...range });
    const { bytes: read, error } = await readUntilError(filled);
    expect(read).toHaveLength(10_000);
    expect(read.subarray(0, 492)).toEqual(new Uint8Array(492));
    expect(read.subarray(492)).toEqual(bytes.subarray(11 * 992, 10 * 992 + 10_500));
    expect(error).toMatchObject({ missingParts: 1, checkedTo: 10 * 992 + 10_500 });
    const beside = { retries: 0, offset: 11 * 992 };
    expect(await collect(files.get(key, beside))).toEqual(bytes.subarray(11 * 992));
  });

  it("is listed up to a hundred parts, and counted beyond", async () => {
    const large = pattern(400_000);
    const { key, chunks } = await keysOf(large);
    for (const [index, chunk] of chunks.entries()) if (index % 2 === 1) network.bodies.delete(chunk.key);
    const options: GetFileOptions = { retries: 0, onMissing: () => "zeros" };
    const { error } = await readUntilError(files.get(key, options));
    expect(error).toMatchObject({ missingParts: 202 });
    expect((error as FileIncomplete).missing).toHaveLength(100);
    expect((error as FileIncomplete).message).toContain("and 199 more");
  });

  it("is asked for again, on more paths, before it counts as missing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { key, chunks } = await keysOf(bytes);
    const lost = chunks[3] as RecordKey;
    const body = network.bodies.get(lost.key) as Uint8Array;
    network.bodies.delete(lost.key);
    const get = vi.spyOn(network.records, "get");
    const reading = collect(files.get(key, {}));
    await vi.advanceTimersByTimeAsync(300);
    network.bodies.set(lost.key, body);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await reading).toEqual(bytes);
    const tries = get.mock.calls
      .filter(([of]) => (of as RecordKey).equals(lost))
      .map(([, options]) => options);
    expect(tries).toHaveLength(3);
    expect(tries[0]).toMatchObject({ parallelism: 2 });
    expect(tries[0]).not.toHaveProperty("paths");
    expect(tries[1]).toMatchObject({ paths: 3, results: 20 });
    expect(tries[2]).toMatchObject({ paths: 3, results: 20 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is given up after the retries", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { key, chunks } = await keysOf(bytes);
    const lost = chunks[3] as RecordKey;
    network.bodies.delete(lost.key);
    network.gets.length = 0;
    const reading = readUntilError(files.get(key, { retries: 4 }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await reading).error).toBeInstanceOf(FileIncomplete);
    expect(network.gets.filter((of) => of.equals(lost))).toHaveLength(5);
  });
});

describe("records that were made to mislead", () => {
  const chunk = (size: number): RecordKey => forge(emptyChunk(size));

  it("a value that is no file", async () => {
    const key = forge(utf8("just a value"));
    expect(await rejection(collect(files.get(key, {})))).toMatchObject({
      code: "notAFile",
      key,
      message: `file: the record ${key.toHex()} is a value of another kind: get reads it`,
    });
  });

  const roots: [string, () => Uint8Array, string][] = [
    ["a root that is cut", () => manifestBody(1, 2_000, []), "is malformed: 0 keys for 2000 bytes"],
    [
      "a root higher than its file",
      () => manifestBody(2, 1_984, [forge(manifestBody(1, 1_984, [chunk(992), chunk(992)]))]),
      "is a root of level 2 over 1984 bytes",
    ],
    [
      "a root over a single chunk",
      () => manifestBody(1, 992, [chunk(992)]),
      "is a root of level 1 over 992 bytes",
    ],
    [
      "a child that is smaller than it should be",
      () => manifestBody(1, 1_984, [chunk(992), chunk(991)]),
      "is of level 0 over 991 bytes where level 0 over 992 bytes must be",
    ],
    [
      "a child that is larger",
      () => manifestBody(1, 1_500, [chunk(992), chunk(992)]),
      "is of level 0 over 992 bytes where level 0 over 508 bytes must be",
    ],
    [
      "a manifest in the place of a chunk",
      () => manifestBody(1, 1_984, [chunk(992), forge(manifestBody(1, 992, [chunk(992)]))]),
      "is of level 1 over 992 bytes where level 0 over 992 bytes must be",
    ],
    [
      "a chunk in the place of a manifest",
      () => manifestBody(2, 29_761, [chunk(992), chunk(1)]),
      "is of level 0 over 992 bytes where level 1 over 29760 bytes must be",
    ],
    [
      "a manifest that covers more than its place",
      () =>
        manifestBody(2, 29_761, [
          forge(manifestBody(1, 29_760, repeat(chunk(992), 30))),
          forge(manifestBody(1, 2, [chunk(2)])),
        ]),
      "is of level 1 over 2 bytes where level 1 over 1 bytes must be",
    ],
    [
      "an empty chunk below a manifest",
      () => manifestBody(1, 993, [chunk(992), chunk(0)]),
      "is of level 0 over 0 bytes where level 0 over 1 bytes must be",
    ],
    [
      "a value of another kind below a manifest",
      () => manifestBody(1, 993, [chunk(992), forge(utf8("x"))]),
      "is a value of another kind",
    ],
    [
      "a version that we do not know",
      () => Uint8Array.of(0x89, 0x6b, 0x61, 0x64, 9, 0),
      "is malformed: version 9; known is 1",
    ],
  ];
  it.each(roots)(
    "%s: the error says which record, and nothing is asked again",
    async (_what, root, fault) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // a retry would wait for ever
      const key = forge(root());
      const { error } = await readUntilError(files.get(key, {}));
      expect(error).toMatchObject({ message: expect.stringContaining(fault) });
      expect((error as { code: string }).code).toMatch(/^(invalidFile|notAFile)$/);
      expect(network.running).toBe(0);
    },
  );

  it("nine records that claim to be 650 TB of the same bytes cost what is read of them, no more", async () => {
    let key = chunk(992);
    for (let level = 1; level <= 8; level++)
      key = forge(manifestBody(level, 992 * 30 ** level, repeat(key, 30)));
    expect(await rejection(collect(files.get(key, { maxBytes: 1_000_000 })))).toMatchObject({
      code: "fileTooLarge",
      bytes: maxFileBytes,
    });
    network.gets.length = 0;
    let read = 0;
    for await (const { length } of files.get(key, {})) {
      read += length;
      if (read >= 100_000) break;
    }
    expect(network.gets.length).toBeLessThan(101 + 32 + 20);
    const last = files.get(key, { offset: maxFileBytes - 10 });
    expect(await collect(last)).toEqual(new Uint8Array(10));
  });

  it("a missing root of 20 TB that is filled with zeros is made of small pieces, as they are wanted", async () => {
    const lost = NodeId.fromBytes(new Uint8Array(32).fill(9));
    const key = forge(manifestBody(8, maxFileBytes, repeat(lost, 30)));
    let pieces = 0;
    for await (const piece of files.get(key, { retries: 0, onMissing: () => "zeros" })) {
      expect(Buffer.from(piece).equals(new Uint8Array(65_536))).toBe(true);
      if (++pieces === 10) break;
    }
    expect(network.gets.length).toBeLessThanOrEqual(1 + 30 + 2);
  });
});

function repeat(key: RecordKey, times: number): RecordKey[] {
  return new Array<RecordKey>(times).fill(key);
}
