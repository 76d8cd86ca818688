import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import { MemoryRecordStore } from "@kad/core";
import { afterEach, describe, expect, it } from "vitest";
import {
  type DhtNode,
  FileIncomplete,
  FilePutFailed,
  NodeClosed,
  type PutFileProgress,
} from "../src/index.ts";
import { Loopback, modes, rejection } from "./support/network.ts";
import { collect, pattern } from "./support/record-map.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  afterEach(() => net.close());

  const roomy = { maxRecords: 10_000, maxRecordBytes: 16_000_000 };

  /** Nodes that hold whole files. */
  async function openNetwork(size: number): Promise<DhtNode[]> {
    const nodes: DhtNode[] = [];
    for (let i = 0; i < size; i++) {
      const store = new MemoryRecordStore({ maxRecords: 20_000, maxBytes: 32_000_000 });
      const bootstrap = nodes.slice(0, 1).flatMap(({ addresses }) => addresses);
      nodes.push(await net.open({ limits: roomy, store, bootstrap }));
    }
    return nodes;
  }

  function expectNothingLeft(nodes: readonly DhtNode[]): void {
    expect(nodes.map((node) => node.stats().operations.used)).toEqual(nodes.map(() => 0));
  }

  describe("files on real sockets", () => {
    it("300 kB are read back byte for byte after a third of 20 nodes has been killed", async () => {
      const nodes = await openNetwork(20);
      const bytes = pattern(300_000);
      const { key, ...counts } = await (nodes[1] as DhtNode).putFile(Readable.from([bytes]), { replicas: 8 });
      expect(counts).toMatchObject({ bytes: 300_000, chunks: 303, manifests: 12, skipped: 0 });
      expect(counts.leastAccepted).toBeGreaterThanOrEqual(6);
      expectNothingLeft(nodes);
      const killed = nodes.splice(1, 6); // the writer is the first of them
      await Promise.all(killed.map((node) => node.close()));
      for (const reader of [
        nodes[3] as DhtNode,
        await net.openClient({ bootstrap: (nodes[0] as DhtNode).addresses }),
      ]) {
        const file = reader.getFile(key);
        expect(await file.size()).toBe(300_000);
        expect(Buffer.from(await collect(file)).equals(bytes)).toBe(true);
        expectNothingLeft([reader]);
      }
    });

    it("of nothing, of one byte, and of a range", async () => {
      const [writer, reader] = (await openNetwork(3)) as [DhtNode, DhtNode];
      for (const size of [0, 1, 993]) {
        expect(writer.stats().gauges.records.used).toBe(0); // it fills the stores of others, not its own
        const { key } = await writer.putFile(pattern(size));
        expect(await collect(reader.getFile(key))).toEqual(pattern(size));
      }
      const { key } = await writer.putFile(pattern(40_000));
      const range = reader.getFile(key, { offset: 35_000, length: 500 });
      expect(await collect(range)).toEqual(pattern(40_000).subarray(35_000, 35_500));
    });

    it("a client puts and gets", async () => {
      const nodes = await openNetwork(3);
      const client = await net.openClient({ bootstrap: (nodes[0] as DhtNode).addresses });
      const { key, leastAccepted } = await client.putFile(pattern(20_000));
      expect(leastAccepted).toBe(3);
      expect(await collect(client.getFile(key))).toEqual(pattern(20_000));
    });

    it("beyond the room of the network is refused, and what is stored is counted", async () => {
      const limits = { maxRecords: 40 };
      const [first, second, writer] = (await net.openNetwork(3, { limits })) as [DhtNode, DhtNode, DhtNode];
      const error = await rejection(writer.putFile(pattern(100_000), { retries: 1, resume: false }));
      expect(error).toBeInstanceOf(FilePutFailed);
      const { stored, chunks, storedBytes, cause } = error as FilePutFailed;
      expect(cause).toMatchObject({ code: "putFailed", accepted: 0, refusals: { full: 2 } });
      expect(stored).toBeGreaterThanOrEqual(40 - 2); // and a manifest or two
      expect(stored).toBeLessThan(40 + 16); // the last ones on one of the two holders
      expect(chunks).toBeGreaterThan(stored);
      expect(chunks).toBeLessThanOrEqual(stored + 16 + 1);
      expect(storedBytes).toBeLessThanOrEqual(stored * 992);
      for (const node of [first, second]) expect(node.stats().gauges.records.used).toBe(40);
      expectNothingLeft([first, second, writer]);
    });

    it("an interrupted put goes on, and what was stored is not put again", async () => {
      const nodes = await openNetwork(5);
      const writer = nodes[1] as DhtNode;
      const bytes = pattern(150_000);
      const controller = new AbortController();
      let interrupted: PutFileProgress | undefined;
      const onProgress = (progress: PutFileProgress): void => {
        interrupted = progress;
        if (progress.stored >= 70) controller.abort(new Error("pulled the plug"));
      };
      const error = await rejection(
        writer.putFile(bytes, { signal: controller.signal, onProgress, resume: false }),
      );
      expect(error).toMatchObject({ message: "pulled the plug" });
      expect(getEventListeners(controller.signal, "abort")).toEqual([]);
      expectNothingLeft([writer]);
      const stored = interrupted?.stored as number;
      const whole = await writer.putFile(bytes, { resume: true });
      expect(whole).toMatchObject({ bytes: 150_000, chunks: 152, manifests: 7 });
      expect(whole.skipped).toBeGreaterThanOrEqual(stored);
      expect(whole.skipped).toBeLessThanOrEqual(stored + 16 + 7);
      expect(Buffer.from(await collect((nodes[4] as DhtNode).getFile(whole.key))).equals(bytes)).toBe(true);
      const again = await (nodes[3] as DhtNode).putFile(bytes, { resume: true });
      expect(again).toMatchObject({ key: whole.key, skipped: 152 + 7, leastAccepted: undefined });
    });

    it("a chunk that all holders have lost is reported exactly", async () => {
      const stores: MemoryRecordStore[] = [];
      const nodes: DhtNode[] = [];
      for (let i = 0; i < 4; i++) {
        const store = new MemoryRecordStore();
        stores.push(store);
        nodes.push(
          await net.open({ store, bootstrap: nodes.slice(0, 1).flatMap(({ addresses }) => addresses) }),
        );
      }
      const bytes = pattern(50_000);
      const { key } = await (nodes[1] as DhtNode).putFile(bytes);
      const chunk = await (nodes[1] as DhtNode).putFile(bytes.subarray(20 * 992, 21 * 992)); // the same record
      for (const store of stores) store.delete(chunk.key);
      const read: Uint8Array[] = [];
      const error = await rejection(
        (async () => {
          for await (const piece of (nodes[3] as DhtNode).getFile(key, { retries: 1 })) read.push(piece);
        })(),
      );
      expect(error).toBeInstanceOf(FileIncomplete);
      expect(error).toMatchObject({
        size: 50_000,
        missingParts: 1,
        missing: [{ key: chunk.key, level: 0, offset: 19_840, bytes: 992, firstChunk: 20, chunks: 1 }],
      });
      expect(Buffer.concat(read).equals(bytes.subarray(0, 19_840))).toBe(true);
      expectNothingLeft(nodes);
    });

    it("leaving the loop cancels its queries", async () => {
      const nodes = await openNetwork(3);
      const { key } = await (nodes[0] as DhtNode).putFile(pattern(100_000), { replicas: 1, minAccepted: 1 });
      const reader = await net.openClient({ bootstrap: (nodes[1] as DhtNode).addresses });
      for await (const piece of reader.getFile(key)) {
        expect(piece).toHaveLength(992);
        break;
      }
      expect(reader.stats().operations.used).toBe(0);
      expect(reader.stats().gauges.queries.used).toBe(0);
    });

    it("closing the node ends a put and a get with NodeClosed", async () => {
      const [first, second] = (await openNetwork(3)) as [DhtNode, DhtNode];
      const { key } = await first.putFile(pattern(100_000));
      const client = await net.openClient({ bootstrap: first.addresses });
      const reading = (async () => {
        for await (const _ of client.getFile(key)) await client.close();
      })();
      expect(await rejection(reading)).toBeInstanceOf(NodeClosed);
      async function* source(): AsyncGenerator<Uint8Array> {
        yield pattern(10_000, 9);
        await second.close();
        yield pattern(10_000, 8);
      }
      expect(await rejection(second.putFile(source()))).toBeInstanceOf(NodeClosed);
      expect(await rejection(second.putFile(pattern(1)))).toBeInstanceOf(NodeClosed);
      expect(await rejection(collect(second.getFile(key)))).toBeInstanceOf(NodeClosed);
    });

    it("a value that is no file is told apart from one that nobody has", async () => {
      const [writer, reader] = (await openNetwork(2)) as [DhtNode, DhtNode];
      const { key } = await writer.put("only a value");
      expect(await rejection(collect(reader.getFile(key)))).toMatchObject({ code: "notAFile", key });
    });
  });
});
