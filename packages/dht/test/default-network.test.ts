/** A network of the size that one machine can hold, with nothing but the defaults. */
import { afterEach, describe, expect, it } from "vitest";
import type { DhtNode } from "../src/index.ts";
import { Loopback, urlOf } from "./support/network.ts";

const net = new Loopback({});
afterEach(() => net.close());

/** All that any of these has dropped, refused or lost for a limit's sake, by where and why. */
function hindrances(nodes: readonly DhtNode[]): string[] {
  const found = nodes.flatMap((node) => {
    const { dropped, refused, contactsRefused, misbehaviour, eventsDropped, security } = node.stats();
    const { dropped: packets, refused: sealed } = security?.datagrams ?? {};
    const counters = { dropped, refused, contactsRefused, misbehaviour, eventsDropped, packets, sealed };
    return Object.entries(counters).flatMap(([where, counts]) =>
      Object.entries(counts ?? {}).flatMap(([why, count]) => (count > 0 ? [`${where}.${why}`] : [])),
    );
  });
  return [...new Set(found)].filter((name) => !harmless.has(name));
}

/** What happens among any nodes: late answers, and handshakes that cross or are sent twice on a busy machine. */
const harmless = new Set([
  "dropped.unknownResponse",
  "packets.simultaneous",
  "packets.handshakeRepeated",
  "packets.unexpectedChallenge",
  "packets.unexpectedAccept",
]);

describe("128 nodes on loopback, with the defaults", () => {
  it("join, store, find and announce, and no limit stands in their way", { timeout: 120_000 }, async () => {
    const first = await net.open({ closeTimeoutMs: 0 });
    const nodes: DhtNode[] = [first];
    for (let size = 1; size < 128; size++)
      nodes.push(await net.open({ bootstrap: [urlOf(first)], closeTimeoutMs: 0 }));
    const at = (index: number): DhtNode => nodes[index % nodes.length] as DhtNode;
    const { key, accepted } = await at(5).put("a value");
    expect(accepted).toBe(20);
    await at(6).set("name", "another");
    const owner = at(6).publicKey as Uint8Array;
    await at(7).announce("a service");
    for (let index = 10; index < 128; index += 13) {
      expect(await at(index).getText(key)).toBe("a value");
      expect(await at(index).getText("name", { owner })).toBe("another");
      expect((await at(index).findProviders("a service")).providers).toMatchObject([{ id: at(7).id }]);
      const { contacts } = await at(index).findNode(at(index + 50).id);
      expect(contacts[0]?.id).toEqual(at(index + 50).id);
    }
    expect(hindrances(nodes)).toEqual([]);
    const sessions = nodes.map((node) => node.stats().security?.datagrams?.gauges.sessions.used ?? 0);
    expect(Math.min(...sessions)).toBeGreaterThanOrEqual(20);
  });
});
