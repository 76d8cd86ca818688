import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileSink, JsonSink, StdoutSink } from "../src/sink.ts";
import { TestIo } from "./support/io.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Whether a promise has settled once everything that can happen at once has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe("standard output", () => {
  it("takes no more than it can write", async () => {
    const stream = new PassThrough({ highWaterMark: 4 });
    const sink = new StdoutSink({ stdout: stream, signal: new AbortController().signal, isTTY: false });
    await sink.write(utf8("ab"));
    const full = sink.write(utf8("cdef"));
    expect(await isSettled(full)).toBe(false);
    expect(String(stream.read())).toBe("abcdef");
    await full;
    expect(stream.listenerCount("drain")).toBe(0);
  });

  it("stops waiting with the signal", async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const end = new AbortController();
    const write = new StdoutSink({ stdout: stream, signal: end.signal, isTTY: false }).write(utf8("abc"));
    end.abort(new Error("SIGTERM"));
    await expect(write).rejects.toThrow("SIGTERM");
    expect(stream.listenerCount("drain")).toBe(0);
  });

  it("waits for nobody who cannot say when", async () => {
    const written: string[] = [];
    const stdout = {
      write: (chunk: string | Uint8Array): boolean => {
        written.push(String(chunk));
        return false;
      },
    };
    await new StdoutSink({ stdout, signal: new AbortController().signal, isTTY: false }).write(utf8("a"));
    expect(written).toHaveLength(1);
  });

  it.each([
    [["a"], "a\n"],
    [["a\n"], "a\n"],
    [["a\n", ""], "a\n"],
    [[], ""],
  ])("ends %j on a terminal with a line end", async (texts, out) => {
    const io = new TestIo({ isTTY: true });
    const sink = new StdoutSink(io);
    for (const text of texts) await sink.write(utf8(text));
    await sink.close();
    expect(io.out).toBe(out);
  });
});

describe("a file", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kad-sink-"));
    path = join(folder, "out");
    await writeFile(path, "what was there before");
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("has what was written, one after the other", async () => {
    const sink = new FileSink(path);
    for (const text of ["one ", "", "two"]) await sink.write(utf8(text));
    await sink.close();
    expect(await readFile(path, "utf8")).toBe("one two");
  });

  it("is left alone where nothing is written, and emptied by nothing", async () => {
    await new FileSink(path).close();
    expect(await readFile(path, "utf8")).toBe("what was there before");
    const sink = new FileSink(path);
    await sink.write(new Uint8Array(0));
    await sink.close();
    expect(await readFile(path, "utf8")).toBe("");
  });

  it("says which it is where it cannot be written", async () => {
    await expect(new FileSink(folder).write(utf8("a"))).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(new RegExp(`^${folder} cannot be written: EISDIR`)),
    });
  });
});

describe("JSON lines", () => {
  it("say where each piece belongs", async () => {
    const io = new TestIo();
    const sink = new JsonSink(io);
    for (const text of ["abc", "", "d"]) await sink.write(utf8(text));
    await sink.close();
    expect(io.events).toEqual([
      { event: "bytes", offset: 0, base64: "YWJj" },
      { event: "bytes", offset: 3, base64: "ZA==" },
    ]);
  });
});
