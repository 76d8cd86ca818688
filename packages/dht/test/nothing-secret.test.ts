/** Nothing secret is in an error, an event, a report, figures or a recording, nor in what a debugger prints of a node. */
import { inspect } from "node:util";
import type { NodeOptions } from "@kad/core";
import { NetworkKey, SeedIdentity } from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";
import { CallLog, recordedNode } from "@kad/sim";
import { afterEach, expect, it } from "vitest";
import { createNode, type DhtNodeEventName } from "../src/index.ts";
import { Loopback, urlOf } from "./support/network.ts";

const net = new Loopback({});
afterEach(() => net.close());

const provider = nodeProvider();
const seed = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 ^ (i * 37));
const networkSecret = Uint8Array.from({ length: 32 }, (_, i) => 0x5b ^ (i * 91));

/** What of a secret stands in a text, in any spelling that it may have come to: a part of it would be too much. */
function leaksIn(text: string, secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const parts = [0, 8, 16].map((from) => bytes.subarray(from, from + 16));
  const spellings = [
    ...parts.flatMap((part) => [part.toString("hex"), [...part].join(","), part.toString("latin1")]),
    ...(["base64", "base64url"] as const).map((encoding) => bytes.toString(encoding).substring(0, 40)),
  ];
  const packed = text
    .replaceAll(/[\s"]/g, "")
    .replaceAll(/\d+:(?=\d)/g, "")
    .toLowerCase();
  return spellings.filter((spelling) => packed.includes(spelling.toLowerCase()) || text.includes(spelling));
}

const deep = { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null } as const;

it.each([
  ["a debugger's print", (secret: Uint8Array) => inspect({ a: { secret } }, deep)],
  ["JSON", (secret: Uint8Array) => JSON.stringify({ secret })],
  ["JSON of a list", (secret: Uint8Array) => JSON.stringify([...secret])],
  ["digits", (secret: Uint8Array) => `key ${Buffer.from(secret).toString("hex").toUpperCase()}`],
  ["base64", (secret: Uint8Array) => Buffer.from(secret).toString("base64")],
  ["a half of it", (secret: Uint8Array) => Buffer.from(secret).toString("hex").substring(32)],
])("this test would find a secret in %s", (_title, write) => {
  for (const secret of [seed, networkSecret]) expect(leaksIn(write(secret), secret)).not.toEqual([]);
});

const events: readonly DhtNodeEventName[] = [
  "peer:discovery",
  "peer:misbehaviour",
  "query:progress",
  "query:end",
  "node:join",
  "bootstrap:failure",
  "node:error",
  "node:close",
];

it("whatever a node says of itself", async () => {
  const told: string[] = [];
  const tell = (what: unknown): void => {
    told.push(inspect(what, deep), String(what), JSON.stringify(what) ?? "");
  };
  const log = new CallLog({ sink: (line) => told.push(line) });
  const identity = SeedIdentity.fromSeed(provider, seed);
  const networkKey = NetworkKey.fromBytes(networkSecret);
  const secured = { identity, networkKey };
  const machine = (options: NodeOptions): ReturnType<typeof recordedNode> => recordedNode(options, log);
  const node = await net.open({ ...secured, machine, report: tell });
  for (const type of events) node.addEventListener(type, ({ detail }) => tell(detail));
  const peer = await net.open({
    networkKey,
    bootstrap: [urlOf(node)],
    listen: ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"],
  });
  node.handle("fails", () => {
    throw new Error("as a handler may");
  });
  const attempts: (() => PromiseLike<unknown>)[] = [
    () => node.set("name", "value"),
    () => node.get("name", { owner: identity.publicKey, explain: true }),
    () => node.announce("a service"),
    () => node.findProviders("a service", { explain: true }),
    () => peer.send(urlOf(node), "fails", "x"),
    () => node.ping("udp://127.0.0.1:9", { timeoutMs: 50 }),
    () => node.set("name", "value", { expectedSeq: 0 }),
    () => node.get("name"),
    () => node.get("name", { owner: "no key" }),
    () => node.bootstrap(["udp://127.0.0.1:9"], { timeoutMs: 50 }),
    () => node.announce("a service", { minAccepted: 255 }),
    ...wrongOptions(secured).map((options) => () => createNode(options as never)),
  ];
  const refused = await Promise.allSettled(attempts.map((attempt) => attempt()));
  for (const outcome of refused) tell(outcome.status === "rejected" ? outcome.reason : outcome.value);
  expect(refused.filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(10);
  for (const what of [identity, networkKey, node, node.stats(), peer.stats(), node.contacts()]) tell(what);
  await node.close();
  tell(node);
  const everything = told.join("\n");
  expect(everything.length).toBeGreaterThan(50_000);
  expect(everything).toContain(node.id.toHex());
  for (const secret of [seed, networkSecret]) expect(leaksIn(everything, secret)).toEqual([]);
});

/** Each wrong in another way, with both secrets in it. */
function wrongOptions(secured: object): object[] {
  return [
    { ...secured, security: "none" },
    { ...secured, security: { rotationMs: 0 } },
    { ...secured, security: { datagrams: { maxSessions: -1 } } },
    { ...secured, identity: seed },
    { ...secured, networkKey: networkSecret },
    { ...secured, networkKey: Buffer.from(networkSecret).toString("hex") },
    { ...secured, network: "x".repeat(300) },
    { ...secured, listen: "udp://no address" },
    { ...secured, bootstrap: ["udp://127.0.0.1:9"], bootstrapTimeoutMs: 100 },
  ];
}
