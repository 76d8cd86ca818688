import { immutableRecord, type NodeId, type QueryFinished } from "@kad/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../src/hash.ts";
import {
  AnnounceFailed,
  type DhtNode,
  type Explained,
  type Explanation,
  formatExplanation,
  keyOfName,
  PutFailed,
} from "../src/index.ts";
import { Loopback, plain } from "./support/network.ts";

let loopback: Loopback;
let nodes: readonly DhtNode[];
let asker: DhtNode;

beforeEach(async () => {
  loopback = new Loopback(plain);
  nodes = await loopback.openNetwork(12);
  asker = nodes.at(-1) as DhtNode;
});

afterEach(async () => {
  await loopback.close();
});

const key = keyOfName("no such record");
const explain = { explain: true } as const;

/** Requests that it tells of, without repetition. */
function requestsIn({ steps }: Explanation): string[] {
  const asked = steps.flatMap(({ event }) => (event.type === "asked" ? [event.request] : []));
  return [...new Set(asked)].sort();
}

function explanationIn({ explanation }: Explained): Explanation {
  if (explanation === undefined) throw new Error("it is not explained");
  return explanation;
}

const operations: [string, (options: object) => Promise<Explained>, NodeId | undefined, string[]][] = [
  ["get", async (options) => await asker.get(key, options), key, ["getValue"]],
  ["findNode", async (options) => await asker.findNode(key, options), key, ["findNode"]],
  ["findProviders", async (options) => await asker.findProviders(key, options), key, ["getProviders"]],
  [
    "put",
    async (options) => await asker.put("", options),
    immutableRecord(sha256, new Uint8Array(0)).key,
    ["findNode", "putValue"],
  ],
  [
    "set",
    async (options) => await asker.set("name", "", options),
    keyOfName("name"),
    ["findNode", "putValue"],
  ],
  ["announce", async (options) => await asker.announce(key, options), key, ["addProvider", "findNode"]],
  [
    "ping",
    async (options) => await asker.ping(nodes[0]?.addresses[0] as string, options),
    undefined,
    ["ping"],
  ],
];

describe("an operation that is to be explained", () => {
  it.each(operations)(
    "says of %s who was asked, and why it ended",
    async (_name, operation, target, requests) => {
      const explanation = explanationIn(await operation(explain));
      expect(explanation.target?.toHex()).toBe(target?.toHex());
      expect(explanation).toMatchObject({ omitted: 0, why: "the closest that were needed have answered" });
      expect(requestsIn(explanation)).toEqual(requests);
      expect(formatExplanation(explanation)).toMatch(/\nended: the closest that were needed have answered$/);
    },
  );

  it.each(operations)("and %s says nothing unless it is asked to", async (_name, operation) => {
    expect(await operation({})).not.toHaveProperty("explanation");
    expect(await operation({ explain: false })).not.toHaveProperty("explanation");
  });

  it("tells of it with each progress, as far as it has come, and at the end", async () => {
    const soFar: Explanation[] = [];
    const ends: QueryFinished[] = [];
    asker.addEventListener("query:progress", ({ detail }) => soFar.push(explanationIn(detail)));
    asker.addEventListener("query:end", ({ detail }) => ends.push(detail));
    const explanation = explanationIn(await asker.findNode(key, explain));
    expect(soFar.length).toBeGreaterThan(0);
    for (const one of soFar) {
      expect(one.why).toBeUndefined();
      expect(one.steps).toEqual(explanation.steps.slice(0, one.steps.length)); // slice: a list of steps
    }
    expect(ends.map((end) => end.explanation)).toEqual([explanation]);
  });

  it("says why a put or an announcement has failed", async () => {
    await Promise.all(nodes.filter((node) => node !== asker).map((node) => node.close()));
    const quick = { ...explain, timeoutMs: 200 };
    for (const [operation, type] of [
      [asker.put("", quick), PutFailed],
      [asker.announce(key, quick), AnnounceFailed],
    ] as const) {
      const error = await operation.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(type);
      expect(explanationIn(error as PutFailed)).toMatchObject({ why: "its deadline came" });
    }
    const unexplained = await asker.put("", { timeoutMs: 50 }).catch((reason: unknown) => reason);
    expect(unexplained).not.toHaveProperty("explanation");
  });
});
