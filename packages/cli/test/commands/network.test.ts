import { commonPrefixLength, compareDistance, NodeId } from "@kad/core";
import { type DhtNode, keyOfName } from "@kad/dht";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Env } from "../../src/io.ts";
import { run } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

/** More than a lookup asks for, so that the estimate of the size has something to go by; and no more than an answer names. */
const size = 20;

let network: TestNetwork;
let env: Env;

beforeAll(async () => {
  network = await openNetwork(size);
  env = { KAD_BOOTSTRAP: network.url };
});

afterAll(async () => {
  await network.close();
});

const target = NodeId.fromHex("8".repeat(64));

function closest(): DhtNode[] {
  return network.nodes.toSorted((a, b) => compareDistance(target, a.id, b.id));
}

describe("kad find", () => {
  it("lists the closest nodes, closest first", async () => {
    const three = closest().slice(0, 3);
    await network.acquainted(three);
    const { code, out } = await run(["find", target.toHex(), "--results", "3"], { env });
    expect(code).toBe(0);
    const rows = out.trimEnd().split("\n");
    expect(rows.map((row) => row.split(" ")[0])).toEqual(three.map(({ id }) => id.toHex()));
    for (const row of rows) {
      const [, id = "", bits] = /^(\S+) +(\d+) bits {2}udp:\/\/127\.0\.0\.1:\d+$/.exec(row) ?? [];
      expect(Number(bits)).toBe(commonPrefixLength(target, NodeId.fromHex(id)));
    }
  });

  it("gives programs each node as it answers, and the end", async () => {
    await network.allFound(keyOfName("motd"));
    const { events } = await run(["find", "--name", "motd", "--results", "30", "--json"], { env });
    const nodes = events.filter(({ event }) => event === "node");
    expect(new Set(nodes.map(({ id }) => id))).toEqual(new Set(closest().map(({ id }) => id.toHex())));
    expect(nodes).toHaveLength(size);
    expect(nodes[0]).toMatchObject({
      sharedBits: expect.any(Number),
      addresses: [expect.stringMatching(/^udp:/)],
    });
    expect(events.at(-1)).toMatchObject({
      event: "found",
      nodes: size,
      end: "converged",
      rounds: expect.any(Number),
    });
  });
});

describe("kad ping", () => {
  it("tells who answers, and how fast", async () => {
    const id = network.nodes[0]?.id.toHex();
    const { code, out } = await run(["ping", network.url]);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^${id} at ${network.url} answered in [\\d.]+ ms\\n$`));
    const { events } = await run(["ping", network.url, "--json"]);
    expect(events).toEqual([{ event: "pong", id, address: network.url, rttMs: expect.any(Number) }]);
  });

  it("says when nobody answers", async () => {
    const url = await network.silentUrl();
    expect(await run(["ping", url, "--timeout", "50ms"])).toMatchObject({
      code: 4,
      out: "",
      err: `kad: ${url} did not answer within 50 ms; is a node running there, and in the same network (--network-key, --insecure)?\n`,
    });
  });

  it("refuses what is no address", async () => {
    expect((await run(["ping", "nowhere"])).code).toBe(2);
    expect((await run(["ping", "udp://127.0.0.1:0"])).code).toBe(2);
  });
});

describe("kad stats", () => {
  it("measures a network for programs", async () => {
    const { code, events } = await run(["stats", "--json", "--lookups", "6"], { env });
    expect(code).toBe(0);
    const figures = { p50Ms: expect.any(Number), p95Ms: expect.any(Number) };
    expect(events).toEqual([
      {
        event: "stats",
        networkSize: expect.any(Number),
        met: expect.any(Number),
        health: "online",
        lookup: {
          operations: 6,
          requests: expect.any(Number),
          rounds: expect.any(Number),
          hops: expect.any(Number),
          ...figures,
        },
        ping: { answered: expect.any(Number), ...figures },
      },
    ]);
  });

  it("measures it for people, and shows on a terminal what it does", async () => {
    const { code, out, err } = await run(["stats"], { env, isErrorTTY: true });
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}network size {2}about \d+ nodes?$/m);
    expect(out).toMatch(/^ {2}nodes met {5}2\d, of which 2\d answered a ping$/m);
    expect(out).toMatch(/^ {2}round trip {4}p50 [\d.]+ m?s, p95 [\d.]+ m?s$/m);
    expect(out).toMatch(/^ {2}health {8}online$/m);
    expect(err).toContain("joining …");
  });

  it("says so when there are too few lookups to tell the size", async () => {
    const { out } = await run(["stats", "--lookups", "1"], { env });
    expect(out).toContain("network size  not known: too few lookups, or too few nodes");
  });
});
