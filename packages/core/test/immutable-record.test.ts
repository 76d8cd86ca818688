import { describe, expect, it } from "vitest";
import { immutableKey, immutableRecord, immutableValidator } from "../src/immutable-record.ts";
import { NodeId } from "../src/node-id.ts";
import { sha256 } from "./sha256.ts";

const context = { sha256, unixMs: undefined };
const hello = new TextEncoder().encode("hello");

describe("immutable records", () => {
  it("have the key SHA-256(15 ‖ kad/1/immutable ‖ value)", () => {
    expect(immutableKey(sha256, hello)).toEqual(
      NodeId.fromBytes(sha256(new TextEncoder().encode("\x0fkad/1/immutablehello"))),
    );
  });

  it.each([0, 1, 999, 1_000])("may hold %i bytes", (length) => {
    const record = immutableRecord(sha256, new Uint8Array(length).fill(5));
    expect(record).toMatchObject({ type: "immutable" });
    expect(immutableValidator.validate(record.key, record.body, context)).toBeUndefined();
    expect(record.body.length).toBeLessThanOrEqual(immutableValidator.maxBodyBytes);
  });

  it("may not hold 1,001 bytes", () => {
    expect(() => immutableRecord(sha256, new Uint8Array(1_001))).toThrow(
      expect.objectContaining({
        code: "invalidRecord",
        message: "value: 1001 bytes; allowed are 0 to 1000 bytes",
      }),
    );
  });

  it("are invalid under any other key, or with any bit changed", () => {
    const { key, body } = immutableRecord(sha256, hello);
    expect(immutableValidator.validate(NodeId.fromBytes(sha256(hello)), body, context)).toMatch(
      "not the hash",
    );
    expect(immutableValidator.validate(NodeId.fromBytes(key.toBytes(), 0, 20), body, context)).toMatch(
      "not the hash",
    );
    for (let bit = 0; bit < body.length * 8; bit++) {
      const changed = Uint8Array.from(body);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(immutableValidator.validate(key, changed, context)).toMatch("not the hash");
    }
  });

  it("own their bytes", () => {
    const value = Uint8Array.from(hello);
    const record = immutableRecord(sha256, value);
    value.fill(0xaa);
    expect(record.body).toEqual(hello);
  });

  it("are the same record whenever their keys are the same, and one holder proves them", () => {
    expect(immutableValidator.select(hello, hello, context)).toBe(0);
    expect(immutableValidator).toMatchObject({ code: 1, quorum: 1 });
  });
});
