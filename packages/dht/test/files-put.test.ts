import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NodeClosed } from "../src/errors.ts";
import type { ByteSource } from "../src/files/byte-source.ts";
import { Files } from "../src/files/files.ts";
import { HeldCheck } from "../src/files/held-check.ts";
import { FilePutFailed, type PutFileProgress } from "../src/index.ts";
import { rejection } from "./support/network.ts";
import { collect, pattern, RecordMap } from "./support/record-map.ts";

let network: RecordMap;
let files: Files;
beforeEach(() => {
  network = new RecordMap();
  files = new Files(network);
});
afterEach(() => vi.useRealTimers());

const anHourMs = 3_600_000;
const chunkCount = (bytes: number): number => Math.max(1, Math.ceil(bytes / 992));

describe("putFile and getFile", () => {
  it("give back any bytes, whatever pieces they came in, under one key", async () => {
    const size = fc.integer({ min: 0, max: 100_000 });
    const cuts = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(size, cuts, async (length, lengths) => {
        const bytes = pattern(length, length);
        const { key, ...counts } = await files.put(piecesOf(bytes, lengths), {});
        expect(counts).toMatchObject({ bytes: length, chunks: chunkCount(length) });
        expect(key).toEqual((await files.put(bytes, {})).key);
        const file = files.get(key, {});
        expect(Buffer.from(await collect(file)).equals(bytes)).toBe(true);
        expect(file.progress).toEqual({ size: length, bytes: length, chunks: Math.ceil(length / 992) });
      }),
      { seed: 4, numRuns: 60 },
    );
  });

  const bytes = pattern(5_000);
  const sources: [string, () => ByteSource][] = [
    ["an array", () => bytes],
    ["a Buffer", () => Buffer.from(bytes)],
    ["a list of pieces", () => [bytes.subarray(0, 1), bytes.subarray(1)]],
    ["a generator", () => piecesOf(bytes, [700])],
    ["an async generator", () => later(piecesOf(bytes, [700]))],
    ["a stream of Node", () => Readable.from(piecesOf(bytes, [700]))],
    ["a stream of the web", () => new Blob([Buffer.from(bytes)]).stream()],
  ];
  it.each(sources)("take %s", async (_what, source) => {
    const { key } = await files.put(source(), {});
    expect(await collect(files.get(key, {}))).toEqual(bytes);
  });

  const noSources: [string, unknown, string][] = [
    ["a path", "movie.mp4", 'source: "movie.mp4"; allowed are a Uint8Array, and a stream'],
    ["nothing", undefined, "source: undefined; allowed are"],
    ["a number", 5, "source: 5; allowed are"],
    ["an object", {}, "source: Object; allowed are"],
    ["pieces of text", ["text"], 'source: a piece is "text"; allowed is a Uint8Array'],
    ["a stream with an encoding", Readable.from(["text"]), 'source: a piece is "text"; allowed is'],
  ];
  it.each(noSources)("refuse %s as a source", async (_what, source, message) => {
    const error = await rejection(files.put(source as ByteSource, {}));
    expect(error).toMatchObject({ code: "invalidArgument", message: expect.stringContaining(message) });
    expect(network.puts).toEqual([]);
  });

  it.each([
    [{ concurrency: 0 }, "concurrency: 0; allowed is a whole number from 1 to 256"],
    [{ concurrency: 257 }, "concurrency: 257"],
    [{ replicas: 0 }, "replicas: 0; allowed is a whole number from 1 to 255"],
    [{ retries: 1.5 }, "retries: 1.5; allowed is a whole number from 0 to 10"],
    [{ minAccepted: 256 }, "minAccepted: 256"],
    [{ recordTimeoutMs: 0 }, "recordTimeoutMs: 0"],
    [{ resume: "yes" as unknown as boolean }, 'resume: "yes"; allowed is true or false'],
    [{ onProgress: 1 as unknown as () => void }, "onProgress: 1; allowed is a function"],
  ])("refuse the options %j before the source is touched", async (options, message) => {
    const source = { [Symbol.iterator]: () => expect.unreachable() } as unknown as Iterable<Uint8Array>;
    const error = await rejection(files.put(source, options));
    expect(error).toMatchObject({ code: "invalidOption", message: expect.stringContaining(message) });
  });
});

describe("while a file is put", () => {
  it("the source is read no further than the records under way: bounded memory at its own pace", async () => {
    const gate = new Gate();
    network.turn = () => gate.wait();
    let given = 0;
    function* source(): Generator<Uint8Array> {
      for (; given < 200; given++) yield pattern(992, given);
    }
    const putting = files.put(source(), { concurrency: 5, resume: false });
    let through = 0;
    while (through < 200) {
      await gate.quiet();
      expect(given).toBeLessThanOrEqual(through + 6);
      expect(network.running).toBeLessThanOrEqual(5);
      through += gate.open(1);
    }
    gate.openForGood();
    expect(await putting).toMatchObject({ chunks: 200, manifests: 8, skipped: 0, leastAccepted: 20 });
    expect(network.mostRunning).toBe(5);
  });

  it("the root goes last, after all others have found their holders", async () => {
    const gate = new Gate();
    network.turn = () => gate.wait();
    const putting = files.put(pattern(60 * 992), { concurrency: 256, resume: false });
    await gate.quiet();
    expect(network.puts).toHaveLength(62);
    gate.open(61);
    await gate.quiet();
    expect(network.puts).toHaveLength(62);
    gate.open(1);
    await gate.quiet();
    expect(network.puts).toHaveLength(63);
    gate.openForGood();
    expect((await putting).key).toEqual(network.puts[62]);
  });

  it("progress tells of every record, and at the end of all", async () => {
    const seen: PutFileProgress[] = [];
    await files.put(pattern(100_000), { onProgress: (progress) => seen.push(progress) });
    expect(seen).toHaveLength(101 + 5);
    for (const [index, { bytes, chunks, stored }] of seen.entries()) {
      expect(stored).toBeLessThanOrEqual(chunks);
      expect(stored).toBeGreaterThanOrEqual(seen[index - 1]?.stored ?? 0);
      expect(bytes).toBe(Math.min(100_000, chunks * 992));
    }
    expect(seen.at(-1)).toEqual({ bytes: 100_000, chunks: 101, stored: 101 });
  });

  it("a progress callback that throws ends the put with what it threw", async () => {
    const fault = new Error("mine");
    const onProgress = (): void => {
      throw fault;
    };
    expect(await rejection(files.put(pattern(100_000), { onProgress }))).toBe(fault);
    expect(network.running).toBe(0);
  });

  it("records that repeat are put once", async () => {
    const { key, ...counts } = await files.put(new Uint8Array(100_000), {});
    expect(counts).toMatchObject({ chunks: 101, manifests: 5 });
    expect(network.puts).toHaveLength(5);
    expect(counts.skipped).toBe(101 + 5 - 5);
    expect(await collect(files.get(key, {}))).toEqual(new Uint8Array(100_000));
  });

  it("the fewest holders that took any record are told", async () => {
    let records = 0;
    network.turn = async () => {
      network.holders = ++records === 30 ? 3 : 20;
    };
    const { leastAccepted } = await files.put(pattern(50_000), { concurrency: 1, resume: false });
    expect(leastAccepted).toBe(3);
  });

  it("holders, lifetime and timeout are passed on for each record, of which we keep no copy", async () => {
    const put = vi.spyOn(network.records, "putRecord");
    await files.put(pattern(10), { replicas: 7, minAccepted: 2, lifetimeMs: 5_000, recordTimeoutMs: 900 });
    const options = { results: 7, minAccepted: 2, lifetimeMs: 5_000, timeoutMs: 900, keep: false };
    expect(put).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ type: "immutable" }),
      expect.objectContaining(options),
    );
    await files.put(pattern(10), {});
    expect(put).toHaveBeenLastCalledWith(
      expect.anything(),
      expect.objectContaining({ lifetimeMs: network.valueLifetimeMs }),
    );
  });
});

describe("a put that ends early", () => {
  it("for want of room says what is stored, after every retry", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    network.capacity = 50;
    const failing = rejection(files.put(pattern(200_000), { resume: false }));
    await vi.advanceTimersByTimeAsync(10_000);
    const error = (await failing) as FilePutFailed;
    expect(error).toBeInstanceOf(FilePutFailed);
    expect(error).toMatchObject({ code: "filePutFailed", stored: 49, storedBytes: 49 * 992 });
    expect(error.chunks).toBeLessThanOrEqual(49 + 16);
    expect(error.bytes).toBe(error.chunks * 992);
    expect(error.cause).toMatchObject({ code: "putFailed", refusals: { full: 20 } });
    expect(error.message).toMatch(
      /^file: 49 of \d+ chunks so far are stored, the first 48608 bytes without a gap; [0-9a-f]{64} was not taken \(put: 0 of 20 holders accepted, 20 full/,
    );
    const tries = new Map<string, number>();
    for (const { key } of network.puts) tries.set(key, (tries.get(key) ?? 0) + 1);
    expect(Math.max(...tries.values())).toBe(3);
    expect(network.running).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("counts no chunk behind a gap as resumable", async () => {
    let records = 0;
    network.turn = async () => {
      network.capacity = ++records === 10 ? 0 : Number.POSITIVE_INFINITY;
    };
    const error = await rejection(files.put(pattern(200_000), { retries: 0, resume: false }));
    expect(error).toMatchObject({ storedBytes: 9 * 992 });
    expect((error as FilePutFailed).stored).toBeGreaterThan(9);
  });

  it("a loss by chance is made good by a retry", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let records = 0;
    network.turn = async () => {
      network.capacity = ++records % 3 === 0 ? 0 : Number.POSITIVE_INFINITY;
    };
    const putting = files.put(pattern(20_000), { concurrency: 1, resume: false });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await putting).toMatchObject({ chunks: 21, manifests: 1, skipped: 0 });
  });

  it("by its signal rejects with the reason at once, though the source is silent, and lets go of both", async () => {
    const source = new EndlessSource();
    const controller = new AbortController();
    const putting = rejection(files.put(source, { signal: controller.signal }));
    await source.hasFallenSilent;
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await putting).toBe(reason);
    expect(source.isReleased).toBe(true);
    expect(network.running).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    expect(getEventListeners(network.lifetime, "abort")).toEqual([]);
  });

  it("by its signal while it waits to try again leaves no timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    network.capacity = 0;
    const controller = new AbortController();
    const putting = rejection(files.put(pattern(100), { signal: controller.signal }));
    await vi.advanceTimersByTimeAsync(100);
    expect(vi.getTimerCount()).toBe(1);
    controller.abort("enough");
    expect(await putting).toBe("enough");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("by a signal that has aborted before touches neither source nor network", async () => {
    const source = new EndlessSource();
    expect(await rejection(files.put(source, { signal: AbortSignal.abort("before") }))).toBe("before");
    expect(source.given).toBe(0);
    expect(network.puts).toEqual([]);
  });

  it("with the node rejects with NodeClosed", async () => {
    const source = new EndlessSource();
    const putting = rejection(files.put(source, {}));
    await source.hasFallenSilent;
    network.closing.abort(new NodeClosed());
    expect(await putting).toBeInstanceOf(NodeClosed);
    expect(source.isReleased).toBe(true);
  });

  it("by its source rejects with what that threw", async () => {
    const fault = new Error("disk");
    async function* source(): AsyncGenerator<Uint8Array> {
      yield pattern(10_000);
      throw fault;
    }
    expect(await rejection(files.put(source(), {}))).toBe(fault);
    expect(network.running).toBe(0);
  });

  it("closes a generator before it rejects, and cancels a stream of the web", async () => {
    network.capacity = 3;
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield pattern(992, network.puts.length);
      } finally {
        await new Promise<void>((resolve) => setImmediate(resolve));
        isClosed = true;
      }
    }
    await rejection(files.put(source(), { retries: 0 }));
    expect(isClosed).toBe(true);
    const cancel = vi.fn();
    let seed = 0;
    const pull = (controller: ReadableStreamDefaultController): void =>
      controller.enqueue(pattern(992, seed++));
    await rejection(files.put(new ReadableStream({ pull, cancel }), { retries: 0 }));
    expect(cancel).toHaveBeenCalledOnce();
  });
});

describe("a put of what is held already", () => {
  const bytes = pattern(200_000);
  const chunks = 202;
  const manifests = 8;

  /** A put that was interrupted with so many chunks stored. */
  async function interrupted(stored: number): Promise<void> {
    const put = rejection(files.put(bytes.subarray(0, stored * 992), { resume: false }));
    await expect(put).rejects.toThrow("did not reject");
    network.puts.length = 0;
  }

  it("skips every record when it is told to resume", async () => {
    const { key } = await files.put(bytes, {});
    network.puts.length = 0;
    expect(await files.put(bytes, { resume: true })).toEqual({
      key,
      bytes: 200_000,
      chunks,
      manifests,
      skipped: chunks + manifests,
      leastAccepted: undefined,
    });
    expect(network.puts).toEqual([]);
  });

  it("puts only what is not held", async () => {
    await interrupted(100);
    const { skipped } = await files.put(bytes, { resume: true });
    expect(skipped).toBe(100 + 3); // and the full manifests over them
    expect(network.puts).toHaveLength(chunks + manifests - 103);
  });

  it("finds out by itself where the earlier one was, and then asks no more", async () => {
    await interrupted(100);
    network.gets.length = 0;
    const { skipped } = await files.put(bytes, {});
    expect(skipped).toBeGreaterThan(60);
    expect(network.gets.length).toBeLessThan(skipped + 45);
    expect(await collect(files.get((await files.put(bytes, { resume: true })).key, {}))).toEqual(bytes);
  });

  it("a new file costs four questions, and a short one none", async () => {
    await files.put(bytes, {});
    expect(network.gets).toHaveLength(4);
    network.gets.length = 0;
    await files.put(pattern(14 * 992, 77), {});
    expect(network.gets).toHaveLength(0);
  });

  it("asks nothing when it is told not to resume", async () => {
    await files.put(bytes, {});
    network.gets.length = 0;
    const { skipped } = await files.put(bytes, { resume: false });
    expect([network.gets.length, skipped]).toEqual([0, 0]);
  });

  it.each([
    ["three holders for the full lifetime", 3, 24 * anHourMs, {}, true],
    ["two holders", 2, 24 * anHourMs, {}, false],
    ["two holders where two are wanted", 2, 24 * anHourMs, { replicas: 2 }, true],
    ["three holders where more must accept", 3, 24 * anHourMs, { minAccepted: 4 }, false],
    ["only us", 0, 24 * anHourMs, { replicas: 1 }, false],
    ["three quarters of the lifetime", 3, 18 * anHourMs, {}, true],
    ["less: it is put again, which renews it", 3, 18 * anHourMs - 1, {}, false],
    ["an hour, of an hour that is wanted", 3, anHourMs, { lifetimeMs: anHourMs }, true],
  ])("what is shown by %s", async (_what, holders, lifetimeMs, options, isSkipped) => {
    await files.put(pattern(100), {});
    Object.assign(network, { holders, lifetimeMs });
    const { skipped } = await files.put(pattern(100), { resume: true, ...options });
    expect(skipped).toBe(isSkipped ? 1 : 0);
  });
});

describe("HeldCheck", () => {
  it("lives on what is found, and outlasts a gap of as many as are put at once", () => {
    const check = new HeldCheck(undefined, 8);
    const ask = (isHeld: boolean): boolean => {
      const wants = check.wants();
      if (wants && isHeld) check.onHeld();
      return wants;
    };
    const times = (count: number, isHeld: boolean): number =>
      Array.from({ length: count }, () => ask(isHeld)).filter(Boolean).length;
    expect(times(8, true)).toBe(0);
    expect(times(100, true)).toBe(100);
    expect(times(16, false)).toBe(16);
    expect(times(20, true)).toBe(20);
    expect(times(100, false)).toBe(20);
    expect(times(100, true)).toBe(0);
  });
});

/** The bytes in pieces of these lengths in turn; a single byte where they are all zero. */
function* piecesOf(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  const hasBytes = lengths.some((length) => length > 0);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = hasBytes ? (lengths[turn % lengths.length] as number) : 1;
    const piece = new Uint8Array(bytes.subarray(at, at + length));
    yield piece;
    piece.fill(0xaa); // a piece is not kept
    at += length;
  }
}

async function* later(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await Promise.resolve();
    yield piece;
  }
}

/** Gives some bytes, then never answers again. */
class EndlessSource implements AsyncIterable<Uint8Array> {
  given = 0;
  isReleased = false;
  readonly hasFallenSilent: Promise<void>;
  #fallSilent: () => void = () => undefined;

  constructor() {
    this.hasFallenSilent = new Promise((resolve) => {
      this.#fallSilent = resolve;
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        if (this.given++ < 3) return Promise.resolve({ done: false, value: pattern(2_000, this.given) });
        this.#fallSilent();
        return new Promise(() => undefined);
      },
      return: () => {
        this.isReleased = true;
        return new Promise(() => undefined);
      },
    };
  }
}

/** Lets waiting requests through by number. */
class Gate {
  readonly #waiting: (() => void)[] = [];
  #isOpen = false;

  async wait(): Promise<void> {
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  open(count: number): number {
    const through = this.#waiting.splice(0, count);
    for (const resolve of through) resolve();
    return through.length;
  }

  openForGood(): void {
    this.#isOpen = true;
    this.open(this.#waiting.length);
  }

  /** Every promise that can go on has. */
  quiet(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
