import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../src/errors.ts";
import { maxIdBytes, NodeId } from "../src/node-id.ts";

const seed = 0x1d;
const idBytes = fc.uint8Array({ minLength: 1, maxLength: maxIdBytes });

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return error instanceof UsageError ? error.code : String(error);
  }
  return undefined;
}

describe("NodeId", () => {
  const table: [hex: string, bytes: number[], prefix: number][] = [
    ["00", [0], 0],
    ["ff", [255], 0xff00_0000],
    ["0102", [1, 2], 0x0102_0000],
    ["80000001", [0x80, 0, 0, 1], 0x8000_0001],
    ["ffffffffff", [255, 255, 255, 255, 255], 0xffff_ffff],
    ["00".repeat(20), new Array<number>(20).fill(0), 0],
    ["a5".repeat(32), new Array<number>(32).fill(0xa5), 0xa5a5_a5a5],
    ["7f".repeat(64), new Array<number>(64).fill(0x7f), 0x7f7f_7f7f],
  ];

  it.each(table)("%s is the same in hexadecimal, in bytes and in its prefix", (hex, bytes, prefix) => {
    for (const id of [NodeId.fromHex(hex), NodeId.fromBytes(Uint8Array.from(bytes))]) {
      expect(id.toHex()).toBe(hex);
      expect(String(id)).toBe(hex);
      expect([...id.toBytes()]).toEqual(bytes);
      expect(id.length).toBe(bytes.length);
      expect(id.prefix).toBe(prefix);
    }
  });

  it("survives the way to bytes and to hexadecimal and back, at any length", () => {
    fc.assert(
      fc.property(idBytes, (bytes) => {
        const id = NodeId.fromBytes(bytes);
        expect(id.toBytes()).toEqual(bytes);
        expect(NodeId.fromHex(id.toHex()).key).toBe(id.key);
        expect(NodeId.fromHex(id.toHex().toUpperCase()).key).toBe(id.key);
      }),
      { seed },
    );
  });

  it("is equal exactly when all bytes are", () => {
    fc.assert(
      fc.property(idBytes, idBytes, (a, b) => {
        const same = a.length === b.length && a.every((byte, i) => byte === b[i]);
        expect(NodeId.fromBytes(a).equals(NodeId.fromBytes(b))).toBe(same);
        expect(NodeId.fromBytes(a).equals(NodeId.fromBytes(Uint8Array.from(a)))).toBe(true);
      }),
      { seed },
    );
  });

  it("copies what it reads, so that the buffer can be used again", () => {
    const bytes = Uint8Array.of(9, 1, 2, 9);
    const id = NodeId.fromBytes(bytes, 1, 2);
    bytes.fill(0);
    expect(id.toHex()).toBe("0102");
    id.toBytes().fill(0);
    expect(id.toHex()).toBe("0102");
  });

  it("compares itself with bytes in place", () => {
    const id = NodeId.fromHex("0102");
    const bytes = Uint8Array.of(0, 1, 2, 1);
    expect([0, 1, 2, 3, 4].map((offset) => id.equalsBytes(bytes, offset))).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
  });

  it("writes itself and says where it ended", () => {
    const into = new Uint8Array(4);
    expect(NodeId.fromHex("0102").writeTo(into, 1)).toBe(3);
    expect([...into]).toEqual([0, 1, 2, 0]);
  });

  it.each([
    ["no bytes", () => NodeId.fromBytes(new Uint8Array(0))],
    ["too many bytes", () => NodeId.fromBytes(new Uint8Array(maxIdBytes + 1))],
    ["an offset before the bytes", () => NodeId.fromBytes(new Uint8Array(8), -1, 4)],
    ["an end after the bytes", () => NodeId.fromBytes(new Uint8Array(8), 5, 4)],
    ["a length that is no number", () => NodeId.fromBytes(new Uint8Array(8), 0, Number.NaN)],
    ["an offset that is no number", () => NodeId.fromBytes(new Uint8Array(8), Number.NaN)],
    ["empty text", () => NodeId.fromHex("")],
    ["half a byte of text", () => NodeId.fromHex("123")],
    ["text that is not hexadecimal", () => NodeId.fromHex("12g4")],
    ["text with a line end", () => NodeId.fromHex("123\n")],
    ["text that is too long", () => NodeId.fromHex("00".repeat(maxIdBytes + 1))],
  ])("refuses %s as invalidId", (_, act) => {
    expect(codeOf(act)).toBe("invalidId");
  });
});
