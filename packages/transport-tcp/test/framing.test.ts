import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, headerBytes, maxFrameBytes, writeHeader } from "../src/framing.ts";

function framed(...messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.map((message) => {
    const frame = new Uint8Array(headerBytes + message.length);
    writeHeader(frame, 0, message.length);
    frame.set(message, headerBytes);
    return frame;
  });
  return concat(parts);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

/** What comes out of these chunks; each is overwritten after the call, as a socket's buffer is. */
function read(
  reader: FrameReader,
  ...chunks: readonly Uint8Array[]
): { messages: Uint8Array[]; fault: string | undefined } {
  const messages: Uint8Array[] = [];
  let fault: string | undefined;
  for (const chunk of chunks) {
    const borrowed = Uint8Array.from(chunk);
    fault ??= reader.push(borrowed, (message) => void messages.push(Uint8Array.from(message)));
    borrowed.fill(0xaa);
  }
  return { messages, fault };
}

const table: readonly (readonly [string, string, readonly string[]])[] = [
  ["one message", "00000003 010203", ["010203"]],
  ["two messages", "00000001 ff 00000002 0102", ["ff", "0102"]],
  ["a keep-alive alone", "00000000", []],
  ["keep-alives around a message", "00000000 00000000 00000001 2a 00000000", ["2a"]],
  ["a message of zeros", "00000004 00000000", ["00000000"]],
  ["a message of 257 bytes", `00000101 ${"05".repeat(257)}`, ["05".repeat(257)]],
];

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const toHex = (message: Uint8Array): string => Buffer.from(message).toString("hex");

describe("a stream of", () => {
  it.each(table)("%s is read whole", (_title, hex, messages) => {
    const reader = new FrameReader();
    expect(read(reader, fromHex(hex)).messages.map(toHex)).toEqual(messages);
    expect(reader.isPartial).toBe(false);
    expect(reader.heldBytes).toBe(0);
  });

  it.each(table)("%s is read byte by byte", (_title, hex, messages) => {
    const chunks = [...fromHex(hex)].map((byte) => Uint8Array.of(byte));
    expect(read(new FrameReader(), ...chunks).messages.map(toHex)).toEqual(messages);
  });

  it.each(table)("%s is read when split in two at every byte", (_title, hex, messages) => {
    const whole = fromHex(hex);
    for (let at = 0; at <= whole.length; at++) {
      const parts = [whole.subarray(0, at), whole.subarray(at)];
      expect(read(new FrameReader(), ...parts).messages.map(toHex)).toEqual(messages);
    }
  });

  it("any messages comes out the same, wherever it is cut", () => {
    const messagesOf = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(messagesOf, fc.array(fc.nat({ max: 20 }), { maxLength: 60 }), (messages, cuts) => {
        const whole = framed(...messages);
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(whole.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(whole.subarray(Math.min(at, whole.length)));
        const reader = new FrameReader();
        const out = read(reader, ...chunks);
        const sent = messages.filter(({ length }) => length > 0);
        expect(out.messages.map(toHex)).toEqual(sent.map(toHex));
        expect(out.fault).toBeUndefined();
        expect(reader.keepAlives).toBe(messages.length - sent.length);
      }),
    );
  });

  it("any bytes never throws, and holds no more than twice what has come", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }), (chunks) => {
        const reader = new FrameReader();
        let came = 0;
        for (const chunk of chunks) {
          came += chunk.length;
          reader.push(chunk, () => undefined);
          expect(reader.heldBytes).toBeLessThanOrEqual(Math.max(512, 2 * came));
        }
      }),
    );
  });
});

describe("a message", () => {
  it("that lies whole in one chunk is a view of it, and no copy", () => {
    const chunk = framed(bytes(5), bytes(9));
    const views: Uint8Array[] = [];
    new FrameReader().push(chunk, (message) => void views.push(message));
    expect(views.map((view) => [view.buffer === chunk.buffer, view.byteOffset, view.length])).toEqual([
      [true, 4, 5],
      [true, 13, 9],
    ]);
  });

  it("of a Buffer comes as a plain Uint8Array, whole and in parts", () => {
    const chunk = Buffer.from(framed(bytes(5), bytes(9)));
    const kinds: unknown[] = [];
    const reader = new FrameReader();
    for (const part of [chunk.subarray(0, 12), chunk.subarray(12)])
      reader.push(part, (message) => void kinds.push(message.constructor));
    expect(kinds).toEqual([Uint8Array, Uint8Array]);
  });

  it("of the limit's length is taken, and one byte more is a fault that ends the stream", () => {
    const reader = new FrameReader(100);
    expect(read(reader, framed(bytes(100))).messages).toHaveLength(1);
    const tooLong = framed(bytes(1), bytes(101), bytes(1));
    expect(read(reader, tooLong)).toEqual({ messages: [bytes(1)], fault: "tooLarge" });
    expect(read(reader, framed(bytes(1)))).toEqual({ messages: [], fault: undefined });
  });

  it("of 1 MiB is the longest by default", () => {
    expect(new FrameReader().maxBytes).toBe(1_048_576);
    expect(read(new FrameReader(), framed(bytes(maxFrameBytes))).messages[0]).toHaveLength(maxFrameBytes);
  });

  it("that claims 4 GiB is refused by its length alone", () => {
    const reader = new FrameReader();
    expect(read(reader, fromHex("ffffffff")).fault).toBe("tooLarge");
    expect(reader.heldBytes).toBe(0);
  });

  it("that claims 1 MiB and brings 10 bytes takes room for few", () => {
    const reader = new FrameReader();
    read(reader, fromHex("00100000"), bytes(10));
    expect(reader.heldBytes).toBe(512);
    expect(reader.isPartial).toBe(true);
  });

  it("that comes a byte at a time is copied a few times at most", () => {
    const reader = new FrameReader();
    let grown = 0;
    let held = 0;
    const out: number[] = [];
    for (const byte of framed(bytes(100_000))) {
      reader.push(Uint8Array.of(byte), (message) => void out.push(message.length));
      if (reader.heldBytes > held) grown += held;
      held = reader.heldBytes;
    }
    expect(out).toEqual([100_000]);
    expect(grown).toBeLessThan(2 * 100_000);
  });
});

describe("a stream that ends", () => {
  it.each([
    ["between two messages", "00000001 01", false],
    ["after half a header", "00000001 01 0000", true],
    ["after a header", "00000005", true],
    ["in the middle of a message", "00000005 0102", true],
  ])("%s: whether something is missing is known", (_title, hex, isPartial) => {
    const reader = new FrameReader();
    read(reader, fromHex(hex));
    expect(reader.isPartial).toBe(isPartial);
    reader.end();
    expect([reader.isPartial, reader.heldBytes]).toEqual([false, 0]);
  });

  it("in the middle of a chunk, since a callback ends it, hands out no more", () => {
    const reader = new FrameReader();
    const out: number[] = [];
    reader.push(framed(bytes(1), bytes(2), bytes(3)), (message) => {
      out.push(message.length);
      if (message.length === 2) reader.end();
    });
    expect(out).toEqual([1, 2]);
  });
});
