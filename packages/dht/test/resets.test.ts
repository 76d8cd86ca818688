/** Connections that are reset in the middle of requests: what was asked ends, and nothing stays behind. */
import type { Plugin, QueryId } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CreateNodeOptions, DhtNode } from "../src/index.ts";
import { Loopback } from "./support/network.ts";
import { ResettingProxy } from "./support/resetting-proxy.ts";

const requests = 150;
/** Of each node. */
const atOnce = 4;

const net = new Loopback({});
const proxies: ResettingProxy[] = [];
afterEach(async () => {
  await net.close();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process
    .getActiveResourcesInfo()
    .filter((name) => name.startsWith("TCP"))
    .sort();
}

/** How often each query has ended. */
class Ends implements Plugin {
  readonly counts = new Map<QueryId, number>();

  onQueryFinished({ query }: { readonly query: QueryId }): void {
    this.counts.set(query, (this.counts.get(query) ?? 0) + 1);
  }
}

interface Side {
  readonly node: DhtNode;
  readonly proxy: ResettingProxy;
  readonly url: string;
  readonly ends: Ends;
}

/** A node that others reach through a proxy alone. */
async function openSide(scheme: "tcp" | "ws", seed: number, bootstrap: readonly string[]): Promise<Side> {
  const proxy = await ResettingProxy.open(seed);
  proxies.push(proxy);
  const [url, listen] = [proxy.ownPort, proxy.port].map((port) => `${scheme}://127.0.0.1:${port}`);
  if (url === undefined || listen === undefined) throw new Error("two ports, two URLs");
  const transport = { announce: url, limits: { backOffMinMs: 20, backOffMaxMs: 100 } };
  const ends = new Ends();
  const options: Partial<CreateNodeOptions> = { listen, bootstrap, plugins: [ends] };
  const node = await net.open({ ...options, [scheme === "tcp" ? "tcp" : "webSocket"]: transport });
  node.handle("reverse", ({ body }) => body.toReversed());
  return { node, proxy, url, ends };
}

/** Sends them, some at a time, and says how each has ended: by its answer, or by the reason that it has none. */
async function ask({ node }: Side, other: Side): Promise<string[]> {
  const ended: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < requests) {
      const number = next++;
      const body = new Uint8Array(200 + 20 * number).fill(number);
      body[0] = number + 1;
      try {
        const answer = await node.send(other.url, "reverse", body, { timeoutMs: 3_000 });
        ended.push(Buffer.compare(answer, body.toReversed()) === 0 ? "answered" : "wrong answer");
      } catch (error) {
        ended.push(String((error as { readonly reason?: unknown }).reason));
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return ended;
}

/** What is under way, or waits, in a node and below it. */
function held(node: DhtNode): number[] {
  const { gauges, operations, connections, security } = node.stats();
  const { queries, requestsInFlight, queuedReplies, queuedAnswers, queuedMessages, sendBytes } = gauges;
  const { queuedBytes, partialBytes } = connections.tcp ?? connections.webSocket ?? {};
  const { handshakes, heldMessages, heldBytes, partsBytes } = security?.streams?.gauges ?? {};
  return [
    [operations, queries, requestsInFlight, queuedReplies, queuedAnswers, queuedMessages, sendBytes],
    [queuedBytes, partialBytes, handshakes, heldMessages, heldBytes, partsBytes],
  ]
    .flat()
    .map((gauge) => gauge?.used ?? Number.NaN);
}

describe.each(["tcp", "ws"] as const)("two encrypted nodes on %s whose connections are reset", (scheme) => {
  it.each([1, 2])(
    "end every request once, find each other again, and keep nothing (seed %d)",
    async (seed) => {
      const before = await openHandles();
      const one = await openSide(scheme, seed, []);
      const two = await openSide(scheme, seed + 100, [one.url]);
      for (const { proxy } of [one, two]) proxy.breaks = true;

      const ended = (await Promise.all([ask(one, two), ask(two, one)])).flat();
      expect(ended).toHaveLength(2 * requests);
      expect(one.proxy.resets + two.proxy.resets).toBeGreaterThan(5);
      const answered = ended.filter((how) => how === "answered");
      const failed = ended.filter((how) => ["closed", "unreachable", "timedOut"].includes(how));
      expect(answered.length).toBeGreaterThan(0);
      expect(failed.length).toBeGreaterThan(0);
      expect(answered.length + failed.length).toBe(ended.length);

      for (const { proxy } of [one, two]) proxy.breaks = false;
      for (const [own, other] of [
        [one, two],
        [two, one],
      ] as const) {
        await vi.waitUntil(async () => (await own.node.ping(other.url)).contact?.id.equals(other.node.id), {
          timeout: 30_000,
        });
        await vi.waitUntil(() => own.node.contacts().some(({ id }) => id.equals(other.node.id)), {
          timeout: 30_000,
        });
        expect([...own.ends.counts.values()].filter((count) => count !== 1)).toEqual([]);
        expect(own.ends.counts.size).toBeGreaterThanOrEqual(requests);
      }
      for (const { node } of [one, two])
        await vi.waitUntil(() => held(node).every((used) => used === 0), 30_000);

      await net.close();
      await expect.poll(() => proxies.map((proxy) => proxy.sockets)).toEqual([0, 0]);
      await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
      await expect.poll(openHandles).toEqual(before);
    },
  );
});
