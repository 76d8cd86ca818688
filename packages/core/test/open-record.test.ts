import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NodeId } from "../src/node-id.ts";
import { openKey, openRecord, openValidator, readOpenRecord } from "../src/open-record.ts";
import { maxRecordBodyBytes } from "../src/record.ts";
import { sha256 } from "./sha256.ts";

const context = { sha256, unixMs: undefined };
const encoder = new TextEncoder();
const largestSeq = 2 ** 53 - 1;

const names = fc
  .string({ unit: "binary", minLength: 1, maxLength: 40 })
  .filter((name) => encoder.encode(name).length <= 128);
const values = fc.uint8Array({ maxLength: 40 });
const seqs = fc.oneof(fc.integer({ min: 0, max: largestSeq }), fc.integer({ min: 0, max: 3 }));

/** Lone surrogates become U+FFFD, as on the way to the network. */
function wellFormed(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoder.encode(text));
}

function bodyOf(seq: readonly number[], nameLength: number, ...rest: number[]): Uint8Array {
  return Uint8Array.from([...seq, nameLength, ...rest]);
}

describe("open records", () => {
  it("are sequence number, length of the name, name and value, big-endian", () => {
    const record = openRecord(sha256, "a/b", Uint8Array.of(9, 8), 0x01_0203_0405_0607);
    expect(record.body).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 3, 0x61, 0x2f, 0x62, 9, 8));
    expect(record.key).toEqual(NodeId.fromBytes(sha256(encoder.encode("\x0akad/1/opena/b"))));
    expect(record.key).toEqual(openKey(sha256, "a/b"));
    expect(record.type).toBe("open");
  });

  it("say what was written into them, and are valid under the key of their name alone", () => {
    fc.assert(
      fc.property(
        names,
        values,
        seqs,
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (name, value, seq, other) => {
          const { key, body } = openRecord(sha256, name, value, seq);
          expect(readOpenRecord(body)).toEqual({ seq, name: wellFormed(name), value });
          expect(openValidator.validate(key, body, context)).toBeUndefined();
          expect(openValidator.validate(NodeId.fromBytes(other), body, context)).toMatch(
            "not the hash of the name",
          );
        },
      ),
      { seed: 5, numRuns: 300 },
    );
  });

  it("take the longest name and the largest value, and fit what a record may take on the wire", () => {
    const { key, body } = openRecord(sha256, "n".repeat(128), new Uint8Array(896), largestSeq);
    expect(openValidator.validate(key, body, context)).toBeUndefined();
    expect(body).toHaveLength(openValidator.maxBodyBytes);
    expect(openValidator.maxBodyBytes).toBeLessThanOrEqual(maxRecordBodyBytes);
  });

  it.each([
    ["name: 0 bytes", "", 0, 0],
    ["name: 129 bytes", "n".repeat(129), 0, 0],
    ["name: 129 bytes", `${"é".repeat(64)}n`, 0, 0],
    ["value: 897 bytes", "n", 897, 0],
    ["seq: -1", "n", 0, -1],
    ["seq: 0.5", "n", 0, 0.5],
    ["seq: 9007199254740992", "n", 0, 2 ** 53],
    ["seq: NaN", "n", 0, Number.NaN],
  ])("refuse %s", (message, name, valueBytes, seq) => {
    expect(() => openRecord(sha256, name, new Uint8Array(valueBytes), seq)).toThrow(
      expect.objectContaining({ code: "invalidRecord", message: expect.stringContaining(message) }),
    );
  });

  it("have no key for a name that is too long", () => {
    expect(() => openKey(sha256, "n".repeat(129))).toThrow(
      expect.objectContaining({ code: "invalidRecord" }),
    );
  });

  const zero = [0, 0, 0, 0, 0, 0, 0, 0];
  it.each([
    ["no bytes", Uint8Array.of(), "shorter than its header"],
    ["a header cut short", Uint8Array.from(zero), "shorter than its header"],
    ["an empty name", bodyOf(zero, 0), "a name of 0 bytes"],
    ["a name of 129 bytes", bodyOf(zero, 129, ...new Array(129).fill(0x61)), "a name of 129 bytes"],
    ["a name cut short", bodyOf(zero, 2, 0x61), "shorter than its name"],
    ["a value of 897 bytes", bodyOf(zero, 1, 0x61, ...new Array(897).fill(0)), "a value of 897 bytes"],
    ["the sequence number 2^53", bodyOf([0, 0x20, 0, 0, 0, 0, 0, 0], 1, 0x61), "2^53 or more"],
    ["the sequence number 2^53 + 1", bodyOf([0, 0x20, 0, 0, 0, 0, 0, 1], 1, 0x61), "2^53 or more"],
    ["the sequence number 2^64 − 1", bodyOf(new Array(8).fill(0xff), 1, 0x61), "2^53 or more"],
    ["a name that is not UTF-8", bodyOf(zero, 1, 0x80), "not UTF-8"],
  ])("with %s are invalid and cannot be read", (_, body, fault) => {
    expect(openValidator.validate(openKey(sha256, "a"), body, context)).toMatch(fault);
    expect(readOpenRecord(body)).toBeUndefined();
  });

  it("never throw on any bytes", () => {
    const key = openKey(sha256, "a");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (body) => {
        const isReadable = readOpenRecord(body) !== undefined;
        if (!isReadable) expect(openValidator.validate(key, body, context)).toBeDefined();
      }),
      { seed: 5, numRuns: 2_000 },
    );
  });

  it("are read from a view into a larger buffer, and what is read is a copy", () => {
    const { body } = openRecord(sha256, "name", Uint8Array.of(1, 2), 77);
    const buffer = Buffer.alloc(body.length + 6, 0xee);
    buffer.set(body, 3);
    const view = buffer.subarray(3, 3 + body.length);
    const read = readOpenRecord(view);
    buffer.fill(0xaa);
    expect(read).toEqual({ seq: 77, name: "name", value: Uint8Array.of(1, 2) });
    expect(read?.value.constructor).toBe(Uint8Array);
  });

  it("own their bytes", () => {
    const value = Uint8Array.of(1);
    const { body } = openRecord(sha256, "n", value, 0);
    value.fill(0xaa);
    expect(readOpenRecord(body)?.value).toEqual(Uint8Array.of(1));
  });
});

describe("of two open records", () => {
  const select = (a: Uint8Array, b: Uint8Array): number => openValidator.select(a, b, context);
  const body = (seq: number, value: number): Uint8Array =>
    openRecord(sha256, "n", Uint8Array.of(value), seq).body;

  it("the one with the larger sequence number is kept", () => {
    expect(select(body(2, 0), body(1, 9))).toBeGreaterThan(0);
    expect(select(body(1, 9), body(2, 0))).toBeLessThan(0);
    expect(select(body(largestSeq, 0), body(largestSeq - 1, 0))).toBeGreaterThan(0);
  });

  it("equal ones are the same record", () => expect(select(body(1, 4), body(1, 4))).toBe(0));

  it("with equal sequence numbers the one whose body has the larger hash is kept", () => {
    for (let value = 1; value < 20; value++) {
      const a = body(1, 0);
      const b = body(1, value);
      expect(Math.sign(select(a, b))).toBe(Buffer.compare(sha256(a), sha256(b)));
    }
  });

  it("the same one is kept although the hash function hands out one array for all", () => {
    const shared = new Uint8Array(32);
    const sharing = (bytes: Uint8Array): Uint8Array => {
      shared.set(sha256(bytes));
      return shared;
    };
    const [a, b] = [body(1, 1), body(1, 2)];
    expect(openValidator.select(a, b, { sha256: sharing, unixMs: undefined })).toBe(select(a, b));
  });

  it("one is always kept, whichever comes first: the order is total, so replicas converge", () => {
    const record = fc
      .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9 }))
      .map(([s, v]) => body(s, v));
    fc.assert(
      fc.property(record, record, record, (a, b, c) => {
        expect(Math.sign(select(a, b)) + Math.sign(select(b, a))).toBe(0);
        if (select(a, b) > 0 && select(b, c) > 0) expect(select(a, c)).toBeGreaterThan(0);
        expect(select(a, b) === 0).toBe(Buffer.compare(a, b) === 0);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
