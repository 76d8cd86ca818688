import { immutableKey, NodeId } from "@kad/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkCutter } from "../src/files/chunk-cutter.ts";
import {
  capacityOf,
  chunkDataAt,
  emptyChunk,
  isFileRecord,
  levelOf,
  manifestBody,
  maxFileBytes,
  maxLevel,
  readFileRecord,
} from "../src/files/file-record.ts";
import { childrenOf, TreeBuilder, type TreeRecord } from "../src/files/file-tree.ts";
import { sha256 } from "../src/hash.ts";
import { pattern } from "./support/record-map.ts";

const keyOf = (index: number): NodeId => NodeId.fromBytes(new Uint8Array(32).fill(index));
const keys = (count: number): NodeId[] => Array.from({ length: count }, (_, index) => keyOf(index));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const key7 = "07".repeat(32);

describe("the layout of a chunk", () => {
  it.each([
    ["", "896b6164 01 00"],
    ["00", "896b6164 01 00 00"],
    ["68690a", "896b6164 01 00 68690a"],
  ])("bytes %s", (data, body) => {
    const chunk = emptyChunk(data.length / 2);
    chunk.set(bytesOf(data), chunkDataAt);
    expect(hex(chunk)).toBe(hex(bytesOf(body)));
    expect(readFileRecord(chunk)).toEqual({
      type: "chunk",
      level: 0,
      size: data.length / 2,
      bytes: bytesOf(data),
    });
  });

  it("the largest has 992 bytes, and fits a record", () => {
    expect(emptyChunk(992)).toHaveLength(998);
    expect(readFileRecord(emptyChunk(992))).toMatchObject({ type: "chunk", size: 992 });
    expect(readFileRecord(emptyChunk(993))).toMatchObject({ type: "malformed" });
  });
});

describe("the layout of a manifest", () => {
  it.each([
    ["one key", 1, 1, [7], `896b6164 01 01 0000000000000001 ${key7}`],
    ["two keys", 1, 993, [7, 7], `896b6164 01 01 00000000000003e1 ${key7}${key7}`],
    ["level 2", 2, 29_761, [7, 7], `896b6164 01 02 0000000000007441 ${key7}${key7}`],
    ["over 4 GiB", 8, 21_695_040_000_001, [7, 7], `896b6164 01 08 000013bb45271001 ${key7}${key7}`],
  ])("%s", (_what, level, size, indexes, body) => {
    const below = indexes.map(keyOf);
    expect(hex(manifestBody(level, size, below))).toBe(hex(bytesOf(body)));
    expect(readFileRecord(bytesOf(body))).toEqual({ type: "manifest", level, size, keys: below });
  });

  it("the largest has 30 keys, and fits a record", () => {
    const body = manifestBody(maxLevel, maxFileBytes, keys(30));
    expect(body).toHaveLength(974);
    expect(readFileRecord(body)).toMatchObject({ type: "manifest", size: 650_851_200_000_000 });
    expect(isFileRecord(body)).toBe(true);
  });
});

describe("what is no record of a file", () => {
  it.each([
    ["nothing", ""],
    ["text", hex(new TextEncoder().encode("hello, world"))],
    ["another signature", "896b6165 01 00 00"],
    ["a signature that is cut", "896b61"],
    ["a header that is cut", "896b6164 01"],
  ])("%s is foreign", (_what, body) => {
    expect(readFileRecord(bytesOf(body))).toEqual({ type: "foreign" });
    expect(isFileRecord(bytesOf(body))).toBe(false);
  });

  it.each([
    ["another version", "896b6164 02 00 00", "version 2; known is 1"],
    ["level 9", `896b6164 01 09 0000000000000001 ${key7}`, "level 9; at most 8"],
    ["a manifest that is cut in its size", "896b6164 01 01 00000000000003", "a manifest that is cut"],
    ["a manifest over nothing", "896b6164 01 01 0000000000000000", "0 bytes under level 1"],
    ["more than its level holds", `896b6164 01 01 0000000000007441 ${key7.repeat(31)}`, "29761 bytes under"],
    ["the largest number", `896b6164 01 08 ffffffffffffffff ${key7.repeat(30)}`, "bytes under level 8"],
    ["no keys", "896b6164 01 01 0000000000000001", "0 keys for 1 bytes under level 1; 1 are needed"],
    ["a key too many", `896b6164 01 01 0000000000000001 ${key7.repeat(2)}`, "2 keys for 1 bytes"],
    ["a key too few", `896b6164 01 01 00000000000003e1 ${key7}`, "1 keys for 993 bytes"],
    ["a key that is cut", `896b6164 01 01 0000000000000001 ${key7.slice(2)}`, "for 1 bytes under level 1"],
    ["a byte too many", `896b6164 01 01 0000000000000001 ${key7}00`, "for 1 bytes under level 1"],
  ])("%s is malformed", (_what, body, fault) => {
    expect(readFileRecord(bytesOf(body))).toEqual({
      type: "malformed",
      fault: expect.stringContaining(fault),
    });
    expect(isFileRecord(bytesOf(body))).toBe(true);
  });

  it("any bytes behind the signature are read or refused, never thrown at, and written back as they were", () => {
    const tail = fc.uint8Array({ maxLength: 1_000 });
    const manifest = fc
      .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 31 }), tail)
      .map(([level, count, rest]) => [1, level, 0, 0, 0, 0, 0, 0, count * 4, 1, ...rest]);
    fc.assert(
      fc.property(fc.oneof(tail, manifest), (rest) => {
        const body = Uint8Array.of(0x89, 0x6b, 0x61, 0x64, ...rest);
        const reading = readFileRecord(body);
        if (reading.type === "manifest") {
          expect(hex(manifestBody(reading.level, reading.size, reading.keys))).toBe(hex(body));
        } else if (reading.type === "chunk") {
          expect(body[5]).toBe(0);
          expect(hex(reading.bytes)).toBe(hex(body.subarray(6)));
        }
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });
});

describe("the shape of the tree", () => {
  it.each([
    [0, 0],
    [1, 0],
    [992, 0],
    [993, 1],
    [29_760, 1],
    [29_761, 2],
    [892_800, 2],
    [892_801, 3],
    [10_000_000, 3],
    [26_784_001, 4],
    [maxFileBytes, 8],
  ])("%i bytes have a root of level %i", (size, level) => {
    expect(levelOf(size)).toBe(level);
    expect(capacityOf(level)).toBeGreaterThanOrEqual(size);
  });

  it("its capacities are whole numbers that a number holds exactly", () => {
    let exact = 992n;
    for (let level = 0; level <= maxLevel; level++, exact *= 30n) {
      expect(BigInt(capacityOf(level))).toBe(exact);
      expect(Number.isSafeInteger(capacityOf(level))).toBe(true);
    }
  });

  const whole = { type: "manifest", level: 2, size: 29_760 * 2 + 100, keys: keys(3) } as const;

  it.each([
    ["all of it", 0, 100_000, [0, 1, 2]],
    ["the first byte", 0, 1, [0]],
    ["the last of the first child", 29_759, 29_760, [0]],
    ["the first of the second", 29_760, 29_761, [1]],
    ["across a border", 29_759, 29_761, [0, 1]],
    ["the short child at the end", 59_520, 59_620, [2]],
    ["what lies before", -10, 0, []],
    ["what lies behind", 60_000, 70_000, []],
    ["nothing", 100, 100, []],
  ])("the children that hold %s", (_what, from, to, expected) => {
    const offset = 1_000_000;
    const children = childrenOf(whole, offset, offset + from, offset + to);
    const sizes = [29_760, 29_760, 100];
    expect(children).toEqual(
      expected.map((index) => ({
        key: keyOf(index),
        level: 1,
        offset: offset + index * 29_760,
        size: sizes[index],
      })),
    );
  });
});

/** Every record of a file, in the order in which they are made; the root last. */
function recordsOf(pieces: readonly Uint8Array[]): TreeRecord[] {
  const cutter = new ChunkCutter();
  const tree = new TreeBuilder();
  const records: TreeRecord[] = [];
  for (const piece of pieces) {
    for (const chunk of cutter.cut(piece)) records.push(chunk, ...tree.add(chunk));
  }
  for (const chunk of cutter.finish()) records.push(chunk, ...tree.add(chunk));
  records.push(...tree.finish());
  return records;
}

const rootOf = (bytes: Uint8Array): NodeId => (recordsOf([bytes]).at(-1) as TreeRecord).key;

describe("the key of a file", () => {
  it.each([
    ["no bytes", new Uint8Array(0), "a1bfe1d5fe1591316a5b9739008f01fa8dab8987e1e224de619c9352d3e58f98"],
    ["one zero", new Uint8Array(1), "db2590dfdfd6409efc7c5d2a253e6674db49e510e1368532d2c2bca19f57a96c"],
    [
      "hello",
      new TextEncoder().encode("hello"),
      "21c76d91cd24180e2c37a30c7df3207c6724726b411f12eb99d90c564bd05cee",
    ],
    [
      "992 bytes of a pattern",
      pattern(992),
      "f31aab3d109963842150eafcd7efe82fb9643996e894e663501dd23f1f519b07",
    ],
    [
      "993 bytes of a pattern",
      pattern(993),
      "4adbdda7b1b434c9d51cced5480ee48d84bc4a980e12ccb53e06c501e219b88f",
    ],
    [
      "29,760 bytes of a pattern",
      pattern(29_760),
      "26cfdec41c6d1636ce1bd09429d4ae68545f044256a43b766bdbe2614b894a9f",
    ],
    [
      "29,761 bytes of a pattern",
      pattern(29_761),
      "5177880fa85f9d81f41f0c6fd9823c0290ab864feda5876084a9a6caa4edc6b0",
    ],
    [
      "100,000 bytes of a pattern",
      pattern(100_000),
      "dafe3f50f181dad17c4195ea8201caa3380251a447d64d99e898038d7bfed5e3",
    ],
    [
      "a million zeros",
      new Uint8Array(1_000_000),
      "06ca71a579f11c55de122a84a449b8ca2e259c63ff6439eeba131e02a6126269",
    ],
  ])("of %s is frozen", (_what, bytes, key) => {
    expect(rootOf(bytes).toHex()).toBe(key);
  });

  it("is the hash of the root's record, labelled as that of any immutable value", () => {
    const root = recordsOf([pattern(5_000)]).at(-1) as TreeRecord;
    expect(root.key).toEqual(immutableKey(sha256, root.body));
  });

  it("depends on the bytes alone, however the source was cut", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(pieces, (cut) => {
        const bytes = new Uint8Array(Buffer.concat(cut));
        expect(recordsOf(cut)).toEqual(recordsOf([bytes]));
      }),
      { seed: 2, numRuns: 50 },
    );
  });

  it("of the bytes of a full manifest is that of a file of these bytes: files share what they have in common", () => {
    const bytes = pattern(100_000);
    const manifests = recordsOf([bytes]).filter(({ level }) => level === 1);
    expect(manifests[1]?.key).toEqual(rootOf(bytes.subarray(29_760, 59_520)));
  });
});

describe("the records of a file", () => {
  it("all fit, make the lowest tree, and lead from the root to every chunk in order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000 }), (size) => {
        const bytes = pattern(size, size + 1);
        const records = recordsOf([bytes]);
        const byKey = new Map(records.map((record) => [record.key.key, record]));
        const root = records.at(-1) as TreeRecord;
        expect(root).toMatchObject({ level: levelOf(size), size });
        const chunks: Uint8Array[] = [];
        const visit = (record: TreeRecord, offset: number): void => {
          expect(record.body.length).toBeLessThanOrEqual(1_000);
          const reading = readFileRecord(record.body);
          expect(reading).toMatchObject({ level: record.level, size: record.size });
          if (reading.type === "chunk") chunks.push(reading.bytes);
          if (reading.type !== "manifest") return;
          for (const child of childrenOf(reading, offset, 0, size)) {
            const below = byKey.get(child.key.key) as TreeRecord;
            expect(child).toMatchObject({ level: below.level, size: below.size });
            visit(below, child.offset);
          }
        };
        visit(root, 0);
        expect(hex(new Uint8Array(Buffer.concat(chunks)))).toBe(hex(bytes));
      }),
      { seed: 3, numRuns: 30 },
    );
  });

  it("come with their root last, and a full manifest only when it is not the root", () => {
    const levels = (size: number): number[] => recordsOf([pattern(size)]).map(({ level }) => level);
    const chunks = (count: number): number[] => new Array<number>(count).fill(0);
    expect(levels(29_760)).toEqual([...chunks(30), 1]);
    expect(levels(29_761)).toEqual([...chunks(31), 1, 1, 2]);
    expect(levels(29_760 * 30)).toEqual([
      ...chunks(31),
      ...repeat(29, [1, ...chunks(30)]).slice(0, -1),
      1,
      2,
    ]);
  });
});

function repeat(times: number, items: readonly number[]): number[] {
  return Array.from({ length: times }, () => items).flat();
}
