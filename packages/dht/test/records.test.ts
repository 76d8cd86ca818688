import { NodeId, openKey, openRecord, readOpenRecord, UsageError } from "@kad/core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { sha256 } from "../src/hash.ts";
import { type DhtNode, keyOfName, PutFailed } from "../src/index.ts";
import { anyones, Loopback, modes, rejection, utf8 } from "./support/network.ts";

describe.each(modes)("%s", (_mode, mode) => {
  const net = new Loopback(mode);
  let nodes: [DhtNode, ...DhtNode[]];
  let writer: DhtNode;
  let reader: DhtNode;

  beforeAll(async () => {
    nodes = await net.openNetwork(8);
    [writer, reader] = [nodes[1] as DhtNode, nodes[7] as DhtNode];
  });
  afterAll(() => net.close());

  describe("put and get", () => {
    it.each([
      ["nothing", new Uint8Array(0)],
      ["one byte", Uint8Array.of(7)],
      ["text", utf8("héllo")],
      ["a thousand bytes", new Uint8Array(1_000).fill(0xaa)],
    ])("%s is stored under its own hash and read back by another", async (_what, value) => {
      const { key, accepted, asked, end, refusals } = await writer.put(value);
      expect({ accepted, asked, end, refusals }).toEqual({
        accepted: 7,
        asked: 7,
        end: "converged",
        refusals: {},
      });
      const found = await reader.get(key);
      expect(found.value).toEqual(value);
      expect(found).toMatchObject({ key, end: "converged", record: { type: "immutable", key } });
    });

    it("a string is stored as UTF-8", async () => {
      const { key } = await writer.put("grüße");
      expect((await reader.get(key)).value).toEqual(utf8("grüße"));
      expect(await reader.getText(key)).toBe("grüße");
    });

    it("what nobody has is undefined after a walk that converged", async () => {
      const key = NodeId.fromBytes(new Uint8Array(32).fill(3));
      expect(await reader.get(key)).toMatchObject({
        key,
        record: undefined,
        value: undefined,
        holders: [],
        end: "converged",
      });
      expect(await reader.getText("nobody's", anyones)).toBeUndefined();
    });

    it("a record of any type that validators know can be put", async () => {
      const record = openRecord(sha256, "by hand", utf8("value"), 5);
      await writer.putRecord(record, { lifetimeMs: 60_000 });
      const found = await reader.get("by hand", anyones);
      expect(found.record?.body).toEqual(record.body);
      expect(found.record?.lifetimeMs).toBeLessThanOrEqual(60_000);
    });
  });

  describe("set and get by name", () => {
    it("a value is read back by name, by another node", async () => {
      const { key } = await writer.set("name", "value", anyones);
      expect(key).toEqual(keyOfName("name"));
      const found = await reader.get("name", anyones);
      expect(found).toMatchObject({ key, record: { type: "open" }, end: "converged" });
      expect(found.value).toEqual(utf8("value"));
      expect(found.holders.length).toBeGreaterThan(0);
    });

    it("anyone overwrites it, and everyone sees the last", async () => {
      for (const [index, node] of nodes.entries()) {
        await node.set("shared", `from ${index}`, anyones);
        for (const other of nodes) expect(await other.getText("shared", anyones)).toBe(`from ${index}`);
      }
    });

    it("896 bytes fit", async () => {
      const value = new Uint8Array(896).fill(0x55);
      await writer.set("large", value, anyones);
      expect((await reader.get("large", anyones)).value).toEqual(value);
    });

    it("the value may be changed by its owner while it is being stored", async () => {
      const value = utf8("before");
      const setting = writer.set("borrowed", value, anyones);
      value.fill(0xaa);
      await setting;
      expect(await reader.getText("borrowed", anyones)).toBe("before");
    });

    describe("the sequence number", () => {
      afterEach(() => vi.useRealTimers());

      const seqOf = async (name: string): Promise<number | undefined> => {
        const { record } = await reader.get(name, anyones);
        return record && readOpenRecord(record.body)?.seq;
      };

      it("is the time in milliseconds", async () => {
        vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
        await writer.set("timed", "a", anyones);
        expect(await seqOf("timed")).toBe(1_700_000_000_000);
      });

      it("is one more than the largest seen, when that lies ahead of our clock", async () => {
        const ahead = Date.now() + 1_000_000;
        await reader.putRecord(openRecord(sha256, "ahead", utf8("theirs"), ahead));
        await writer.set("ahead", "ours", anyones);
        expect(await seqOf("ahead")).toBe(ahead + 1);
        expect(await reader.getText("ahead", anyones)).toBe("ours");
      });

      it("that cannot grow any more is an error that says so", async () => {
        await reader.putRecord(openRecord(sha256, "blocked", utf8("for good"), Number.MAX_SAFE_INTEGER));
        const error = await rejection(writer.set("blocked", "ours", anyones));
        expect(error).toMatchObject({
          code: "invalidRecord",
          message: expect.stringContaining("seq: 9007199254740992"),
        });
      });
    });

    it("a name of 64 hexadecimal digits is a name", async () => {
      const name = "ab".repeat(32);
      await writer.set(name, "by name", anyones);
      expect((await reader.get(NodeId.fromHex(name))).record).toBeUndefined();
      expect(await reader.getText(openKey(sha256, name))).toBe("by name");
    });
  });

  describe("what is refused, by field, value and what is allowed", () => {
    const bad: [string, () => Promise<unknown>, string, string][] = [
      [
        "a value of 1,001 bytes",
        () => writer.put(new Uint8Array(1_001)),
        "invalidRecord",
        "value: 1001 bytes; allowed are 0 to 1000 bytes",
      ],
      [
        "an open value of 897 bytes",
        () => writer.set("n", new Uint8Array(897)),
        "invalidRecord",
        "value: 897 bytes; allowed are 0 to 896 bytes",
      ],
      [
        "an empty name",
        () => writer.set("", "v", anyones),
        "invalidRecord",
        "name: 0 bytes of UTF-8; allowed are 1 to 128 bytes",
      ],
      ["a long name", () => reader.get("é".repeat(65), anyones), "invalidRecord", "name: 130 bytes of UTF-8"],
      [
        "a name that is no string",
        () => writer.set(7 as never, "v"),
        "invalidArgument",
        "name: 7; allowed is a string",
      ],
      [
        "a value that is no value",
        () => writer.put(7 as never),
        "invalidArgument",
        "value: 7; allowed are a string and a Uint8Array",
      ],
      [
        "a key of another length",
        () => reader.get(NodeId.fromHex("00ff")),
        "invalidId",
        "key: 2 bytes (00ff); allowed are 32 bytes",
      ],
      [
        "a key that is none",
        () => reader.get(undefined as never),
        "invalidArgument",
        "key: undefined; allowed is a NodeId of 32 bytes",
      ],
      [
        "a record's key of another length",
        () => writer.putRecord({ type: "immutable", key: NodeId.fromHex("00"), body: utf8("") }),
        "invalidId",
        "record.key: 1 bytes",
      ],
      [
        "a record of an unknown type",
        () => writer.putRecord({ type: "signed", key: keyOfName("n"), body: utf8("") }),
        "invalidRecord",
        'type: "signed"; known are immutable, open',
      ],
      [
        "a record whose key is not its own",
        () => writer.putRecord({ type: "immutable", key: keyOfName("n"), body: utf8("v") }),
        "invalidRecord",
        "the key is not the hash of the value",
      ],
      [
        "a negative timeout of a read",
        () => reader.get("n", { ...anyones, timeoutMs: -1 }),
        "invalidOption",
        "timeoutMs: -1; allowed is a number from 1 to 2592000000",
      ],
      [
        "a negative timeout of a write",
        () => writer.set("n", "v", { timeoutMs: -1 }),
        "invalidOption",
        "timeoutMs: -1; allowed is a number from 1 to 2592000000",
      ],
      [
        "a quorum of nobody",
        () => reader.get("n", { ...anyones, quorum: 0 }),
        "invalidOption",
        "quorum: 0; allowed is a number from 1 to 255",
      ],
      ["no holders", () => writer.put("v", { results: 0 }), "invalidOption", "results: 0"],
      [
        "minAccepted below zero",
        () => writer.put("v", { minAccepted: -1 }),
        "invalidOption",
        "minAccepted: -1; allowed is a whole number from 0 to 255",
      ],
      [
        "minAccepted of a set",
        () => writer.set("n", "v", { minAccepted: 1.5 }),
        "invalidOption",
        "minAccepted: 1.5",
      ],
      [
        "a lifetime beyond a day",
        () => writer.put("v", { lifetimeMs: 1e9 }),
        "invalidRecord",
        "lifetimeMs: 1000000000; allowed are 1 to 86400000 ms",
      ],
    ];

    it.each(bad)("%s", async (_what, operation, code, message) => {
      const error = await rejection(operation());
      expect(error).toBeInstanceOf(UsageError);
      expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    });
  });

  describe("minAccepted", () => {
    it("above what there is rejects with PutFailed, which says how many took it", async () => {
      const error = await rejection(writer.put("few", { minAccepted: 8 }));
      expect(error).toBeInstanceOf(PutFailed);
      expect(error).toMatchObject({ code: "putFailed", accepted: 7, asked: 7, end: "converged" });
      expect(await reader.getText((await writer.put("few")).key)).toBe("few");
    });

    it("of one makes a node that is alone reject; of none lets it keep the record for itself", async () => {
      const alone = await net.open();
      expect(await rejection(alone.put("mine"))).toMatchObject({
        code: "putFailed",
        asked: 0,
        end: "exhausted",
      });
      const { key, accepted } = await alone.put("mine", { minAccepted: 0 });
      expect(accepted).toBe(0);
      expect(await alone.getText(key)).toBe("mine");
    });

    it("is given for all puts by createNode", async () => {
      const relaxed = await net.open({ minAccepted: 0 });
      expect(await relaxed.set("name of one", "v", anyones)).toMatchObject({ accepted: 0, asked: 0 });
    });
  });
});
