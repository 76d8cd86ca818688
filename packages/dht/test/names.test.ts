/** Names: a node's own, which it alone can change, and those that anyone may overwrite. */
import { UsageError } from "@kad/core";
import { afterEach, describe, expect, it } from "vitest";
import { createIdentity, type DhtNode, keyOfName, PutFailed, Superseded } from "../src/index.ts";
import { Loopback, plain, rejection, urlOf } from "./support/network.ts";

const net = new Loopback({});
afterEach(() => net.close());

async function openThree(): Promise<[DhtNode, DhtNode, DhtNode]> {
  return (await net.openNetwork(3)) as [DhtNode, DhtNode, DhtNode];
}

const ownerOf = (node: DhtNode): { owner: Uint8Array } => ({ owner: node.publicKey as Uint8Array });

describe("a node's own name", () => {
  it("is read by whoever has its public key, as bytes or digits, and says who owns it", async () => {
    const [alice, bob, carol] = await openThree();
    const put = await alice.set("greeting", "hello");
    expect(put.accepted).toBe(2);
    const found = await bob.get("greeting", ownerOf(alice));
    expect(found.owner).toEqual(alice.publicKey);
    expect(found.record?.type).toBe("mutable");
    expect(found.key).toEqual(put.key);
    expect(Math.abs((found.seq as number) - Date.now())).toBeLessThan(60_000);
    const digits = Buffer.from(alice.publicKey as Uint8Array).toString("hex");
    expect(await carol.getText("greeting", { owner: digits })).toBe("hello");
    expect(await carol.getText(put.key)).toBe("hello");
    expect(carol.keyOf("greeting", { owner: digits })).toEqual(put.key);
  });

  it("is another name than that of anybody else, and than the open one", async () => {
    const [alice, bob, carol] = await openThree();
    await alice.set("greeting", "of Alice");
    await bob.set("greeting", "of Bob");
    await carol.set("greeting", "of all", { open: true });
    await bob.set("greeting", "of all, by Bob", { open: true });
    expect(await carol.getText("greeting", ownerOf(alice))).toBe("of Alice");
    expect(await carol.getText("greeting", ownerOf(bob))).toBe("of Bob");
    expect(await alice.getText("greeting", { open: true })).toBe("of all, by Bob");
    expect(await carol.getText("greeting", ownerOf(carol))).toBeUndefined();
    expect(carol.keyOf("greeting", { open: true })).toEqual(keyOfName("greeting"));
  });

  it("is changed by its owner alone: what another has signed for it, or nobody, no holder takes", async () => {
    const [alice, bob] = await openThree();
    const { key } = await alice.set("greeting", "hello");
    const { record } = await bob.get(key);
    const forged = Uint8Array.from(record?.body as Uint8Array);
    forged[forged.length - 70] = (forged[forged.length - 70] as number) ^ 1;
    const error = await rejection(bob.putRecord({ type: "mutable", key, body: forged }));
    expect(error).toBeInstanceOf(UsageError);
    const { record: others } = await bob.get((await bob.set("greeting", "mine")).key);
    const under = { type: "mutable", key, body: others?.body as Uint8Array };
    expect(await rejection(bob.putRecord(under))).toBeInstanceOf(UsageError);
    expect(await bob.getText("greeting", ownerOf(alice))).toBe("hello");
  });

  it("goes with the identity: set from another machine, it is the same", async () => {
    const [first, , reader] = await openThree();
    const identity = await createIdentity();
    const laptop = await net.open({ identity, bootstrap: [urlOf(first)] });
    await laptop.set("motd", "from the laptop");
    await laptop.close();
    const server = await net.open({ identity, bootstrap: [urlOf(first)] });
    const { seq = 0 } = await reader.get("motd", ownerOf(server));
    await server.set("motd", "from the server");
    const again = await reader.get("motd", ownerOf(server));
    expect(again.seq).toBeGreaterThan(seq);
    expect(await reader.getText("motd", ownerOf(server))).toBe("from the server");
  });

  it("lives for as long as is said, though its holders would keep it longer", async () => {
    const [alice, bob] = await openThree();
    await alice.set("short", "lived", { lifetimeMs: 1_000, keep: false });
    const { record } = await bob.get("short", ownerOf(alice));
    expect(record?.lifetimeMs).toBeLessThanOrEqual(1_000);
  });

  it("takes names of 128 bytes and values of 896, and no longer ones", async () => {
    const [alice, bob] = await openThree();
    const name = "n".repeat(128);
    await alice.set(name, "v".repeat(896));
    expect(await bob.getText(name, ownerOf(alice))).toBe("v".repeat(896));
    expect(await rejection(alice.set(`${name}n`, "x"))).toMatchObject({
      code: "invalidRecord",
      message: expect.stringContaining("128"),
    });
    expect(await rejection(alice.set("n", "v".repeat(897)))).toMatchObject({
      code: "invalidRecord",
      message: "value: 897 bytes; allowed are 0 to 896 bytes",
    });
  });
});

describe("compare-and-swap", () => {
  it("replaces the version that was read, and no other", async () => {
    const [alice, bob] = await openThree();
    expect((await alice.set("counter", "1", { expectedSeq: 0 })).accepted).toBe(2);
    const { seq = 0 } = await bob.get("counter", ownerOf(alice));
    await alice.set("counter", "2", { expectedSeq: seq });
    const error = (await rejection(alice.set("counter", "3", { expectedSeq: seq }))) as Superseded;
    expect(error).toBeInstanceOf(Superseded);
    expect(error).toMatchObject({ code: "superseded", expectedSeq: seq, accepted: 0 });
    expect(error.seq).toBeGreaterThan(seq);
    expect(await bob.getText("counter", ownerOf(alice))).toBe("2");
    expect(await rejection(alice.set("counter", "0", { expectedSeq: 0 }))).toBeInstanceOf(Superseded);
  });

  it("is refused by holders that have a later version, though the writer saw none", async () => {
    const [alice, bob] = await openThree();
    const older = (await bob.get((await alice.set("counter", "1")).key)).record;
    await alice.set("counter", "2");
    const error = await rejection(bob.putRecord(older as never, { expectedSeq: 1 }));
    expect(error).toBeInstanceOf(Superseded);
    expect(error).toMatchObject({ seq: undefined, refusals: { superseded: expect.any(Number) } });
  });

  it("does not hide that nobody took it", async () => {
    const [alice] = await net.openNetwork(1);
    expect(await rejection(alice.set("counter", "1", { expectedSeq: 0 }))).toBeInstanceOf(PutFailed);
  });
});

describe("whose name is meant must be said", () => {
  const id = "00".repeat(31);
  it.each([
    ["nothing", {}, "owner: missing, and whose"],
    ["an owner and open", { owner: "ab".repeat(32), open: true }, "nothing beside open: true"],
    ["open that is no boolean", { open: 1 }, "open: 1; allowed is true or false"],
    ["an owner of 31 bytes", { owner: new Uint8Array(31) }, "owner: 31 bytes; allowed is a public key"],
    ["an owner of 62 digits", { owner: id }, `owner: "${id}"; allowed is a public key`],
    ["an owner that is none", { owner: 7 }, "owner: 7; allowed is a public key"],
  ])("%s", async (_title, options, message) => {
    const node = await net.open();
    const expected = { code: "invalidOption", message: expect.stringContaining(message) };
    expect(await rejection(node.get("name", options as never))).toMatchObject(expected);
    expect(await rejection(node.keepAlive("name", options as never))).toMatchObject(expected);
    expect(() => node.keyOf("name", options as never)).toThrow(message);
  });

  it("for names alone: beside a key it is refused", async () => {
    const node = await net.open();
    const error = await rejection(node.get(keyOfName("name"), { open: true }));
    expect(error).toMatchObject({ code: "invalidOption", message: expect.stringContaining("beside a key") });
  });

  it("in plain text nobody owns a name", async () => {
    const node = await net.open(plain);
    const owner = "ab".repeat(32);
    expect(await rejection(node.get("name", { owner }))).toMatchObject({
      message: expect.stringContaining('where security is "none": nobody owns a name'),
    });
    expect(await rejection(node.set("name", "value", { open: false }))).toMatchObject({
      message: expect.stringContaining("all names are open"),
    });
    expect(node.keyOf("name")).toEqual(node.keyOf("name", { open: true }));
  });
});
