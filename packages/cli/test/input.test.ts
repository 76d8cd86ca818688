import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { peek, piecesOfFile, piecesOfStdin } from "../src/input.ts";
import { chunks, TestIo } from "./support/io.ts";

async function* piecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: number[] = [];
  for await (const piece of pieces) all.push(...piece);
  return Uint8Array.from(all);
}

describe("a peek", () => {
  it("knows whether there is more, and gives every byte once", async () => {
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 40 }),
      async (bytes, size, limit) => {
        const { head, isWhole, all } = await peek(piecesOf(bytes, size), limit);
        if (head.length <= limit) expect(isWhole).toBe(true);
        expect(head).toEqual(bytes.subarray(0, head.length));
        expect(isWhole && head.length < bytes.length).toBe(false);
        expect(head.length).toBeLessThan(limit + 1 + size);
        expect(await gathered(all())).toEqual(bytes);
      },
    );
    await fc.assert(property, { seed: 20_260_103 });
  });

  it("lets its source go when nobody wants the rest", async () => {
    let isOpen = true;
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield Uint8Array.of(1, 2);
      } finally {
        isOpen = false;
      }
    }
    const { all } = await peek(source(), 4);
    for await (const piece of all()) {
      expect(piece).toEqual(Uint8Array.of(1, 2, 1, 2, 1, 2));
      break;
    }
    expect(isOpen).toBe(false);
  });
});

describe("standard input", () => {
  it("gives text as UTF-8", async () => {
    const io = new TestIo({ stdin: chunks("ä", Uint8Array.of(0xff)) });
    expect(await gathered(piecesOfStdin(io))).toEqual(Uint8Array.of(0xc3, 0xa4, 0xff));
  });

  it("ends with the signal while it is silent", async () => {
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const io = new TestIo({ stdin: silent });
    const all = gathered(piecesOfStdin(io));
    io.abort();
    await expect(all).rejects.toThrow("SIGTERM");
  });

  it("is let go when nobody wants the rest", async () => {
    let isOpen = true;
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        yield Uint8Array.of(1);
        yield Uint8Array.of(2);
      } finally {
        isOpen = false;
      }
    }
    for await (const _piece of piecesOfStdin(new TestIo({ stdin: source() }))) break;
    expect(isOpen).toBe(false);
  });
});

describe("a file", () => {
  it("gives its bytes, and an error has its path", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kad-input-"));
    try {
      const path = join(folder, "a");
      await writeFile(path, "abc");
      expect(await gathered(piecesOfFile(path))).toEqual(new TextEncoder().encode("abc"));
      await expect(gathered(piecesOfFile(folder))).rejects.toMatchObject({ code: "EISDIR", path: folder });
      const none = join(folder, "none");
      await expect(gathered(piecesOfFile(none))).rejects.toMatchObject({ code: "ENOENT", path: none });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
