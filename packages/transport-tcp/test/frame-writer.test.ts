import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameWriter, giveBack } from "../src/frame-writer.ts";
import { FrameReader } from "../src/framing.ts";

function read(chunks: readonly Uint8Array[]): string[] {
  const reader = new FrameReader();
  const messages: string[] = [];
  for (const chunk of chunks)
    reader.push(chunk, (message) => void messages.push(Buffer.from(message).toString("hex")));
  expect(reader.isPartial).toBe(false);
  return messages;
}

const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

describe("messages on their way out", () => {
  it("are copied, behind their length, into one chunk where they fit", () => {
    const writer = new FrameWriter();
    const scratch = bytes(3);
    writer.add(scratch);
    scratch.fill(0xaa);
    writer.add(bytes(2, 2));
    writer.addKeepAlive();
    expect(writer.bytes).toBe(17);
    const chunks = writer.take();
    expect(chunks.map((chunk) => chunk.toString("hex"))).toEqual(["0000000301010100000002020200000000"]);
    expect([writer.bytes, writer.take()]).toEqual([0, []]);
  });

  it("of any length and number come out as they went in, however they are taken", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        lengths,
        fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 12 }),
        (sizes, takes) => {
          const writer = new FrameWriter();
          const expected: string[] = [];
          const chunks: Uint8Array[] = [];
          for (const [index, size] of sizes.entries()) {
            const message = bytes(size, index);
            writer.add(message);
            expected.push(Buffer.from(message).toString("hex"));
            const most = takes[index];
            if (most !== undefined) chunks.push(...writer.take(most));
          }
          chunks.push(...writer.take(Number.POSITIVE_INFINITY));
          expect(read(chunks)).toEqual(expected);
          expect(writer.bytes).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("are taken about 256 KiB at a time where more waits", () => {
    const writer = new FrameWriter();
    for (let i = 0; i < 20; i++) writer.add(bytes(60_000));
    const first = writer.take().reduce((sum, { length }) => sum + length, 0);
    expect(first).toBeGreaterThanOrEqual(262_144);
    expect(first).toBeLessThan(262_144 + 65_536);
    expect(writer.bytes).toBe(20 * 60_004 - first);
    writer.clear();
    expect([writer.bytes, writer.take()]).toEqual([0, []]);
  });

  it("go into one chunk that is as large as the turn before needed", () => {
    const writer = new FrameWriter();
    const turn = (count: number): number[] => {
      for (let i = 0; i < count; i++) writer.add(bytes(1_000));
      return writer.take().map((chunk) => chunk.length);
    };
    expect(turn(1)).toEqual([1_004]);
    expect(turn(30).length).toBeGreaterThan(1);
    expect(turn(30)).toEqual([30_120]);
    expect(turn(1)).toEqual([1_004]);
  });

  it("never take memory from Node's own pool, of which others have their parts", () => {
    const small = new FrameWriter();
    small.add(bytes(10));
    giveBack(small.take()); // cut from the pool, whose size is also one of ours
    const pool = Buffer.allocUnsafe(1).buffer;
    const large = new FrameWriter();
    for (let turn = 0; turn < 3; turn++) {
      large.add(bytes(5_000));
      const chunks = large.take();
      for (const chunk of chunks) expect(chunk.buffer).not.toBe(pool);
      giveBack(chunks);
    }
  });

  it("use memory again that was given back, and of each size so much only", () => {
    const take = (): Buffer => {
      const writer = new FrameWriter();
      writer.add(bytes(8_188));
      return writer.take()[0] as Buffer;
    };
    const first = take();
    giveBack([first]);
    expect(take().buffer).toBe(first.buffer);
    const many = Array.from({ length: 200 }, take);
    giveBack(many);
    const again = Array.from({ length: 200 }, take);
    const reused = again.filter(({ buffer }) => many.some((one) => one.buffer === buffer));
    expect(reused.length).toBe(128);
  });
});
