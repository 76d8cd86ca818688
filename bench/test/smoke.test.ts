import { describe, expect, it } from "vitest";
import { measure as measureCodec } from "../src/benchmarks/codec.ts";
import { measure as measureCrypto } from "../src/benchmarks/crypto.ts";
import { measure as measureTable } from "../src/benchmarks/table.ts";
import { runLoad } from "../src/lookup-load.ts";
import { kadNetwork } from "../src/networks/kad-network.ts";
import { MemoryNetwork } from "../src/networks/memory-network.ts";
import { SeededRandom } from "../src/seeded-random.ts";

describe("the benchmarks", () => {
  it("find our table and k-bucket exact and sorted, after as many contacts", () => {
    const rows = ["kad", "kBucket"].flatMap((name) => measureTable({ name, idBytes: 20, forMs: 1 }));
    for (const { values } of rows) expect(values).toMatchObject({ exact20: 100, exact8: 100, sorted: 100 });
    const [ours, theirs] = rows.map(({ values: { kept } }) => kept);
    expect(ours).toBeGreaterThan(100);
    expect(ours).toBe(theirs);
  });

  it("read as many contacts as they wrote, each in its own format", () => {
    const rows = ["kad", "kad20", "kadCold", "bencode"].flatMap((name) =>
      measureCodec({ name, contacts: 8, forMs: 1 }),
    );
    expect(rows.map(({ values: { ids, bytes } }) => ({ ids, bytes }))).toEqual([
      { ids: 8, bytes: 365 },
      { ids: 8, bytes: 257 },
      { ids: 8, bytes: 365 },
      { ids: 8, bytes: 266 },
    ]);
  });

  it.each(["datagrams", "streams", "libp2p"])(
    "shake hands and have a figure for each side: %s",
    async (kind) => {
      const rows = await measureCrypto({ what: "handshake", kind, provider: "native", count: 3, forMs: 5 });
      expect(rows.map(({ table }) => table)).toEqual(rows.map(() => "Handshakes"));
      for (const { initiatorMs, responderMs } of rows.map(({ values }) => values)) {
        expect(initiatorMs).toBeGreaterThan(0);
        expect(responderMs).toBeGreaterThan(0);
      }
    },
  );

  it("pass messages through every channel, and the bare calls beside them", async () => {
    const rows = await measureCrypto({ what: "message", bytes: 100, forMs: 2 });
    expect(rows).toHaveLength(7);
    for (const { us } of rows.map(({ values }) => values)) expect(us).toBeGreaterThan(0);
  });

  it("make the calls of secured lookups again, as many as there were messages", async () => {
    const [plain, secured] = await measureCrypto({ what: "lookup", nodes: 8, lookups: 8 });
    expect(plain?.values).toMatchObject({ requestUs: expect.any(Number) });
    const { bareUs } = secured?.values ?? {};
    expect(bareUs).toBeGreaterThan(0);
  });

  it("find the true closest on a wire in memory", () => {
    const network = new MemoryNetwork(24);
    const ids = network.peers.map(({ node }) => node.id.toBytes());
    let found = 0;
    network.lookups(24, 4, 20, ({ ids: answered }) => {
      expect(answered.length).toBe(20);
      found++;
    });
    expect(found).toBe(24);
    expect(new Set(ids.map(String)).size).toBe(24);
    expect(network.requests()).toBeGreaterThan(24 * 20);
  });

  it("judge the lookups of a network on sockets", async () => {
    const network = await kadNetwork(6);
    const load = { network, random: new SeededRandom(1), idBytes: 32, concurrency: 2, results: 5 };
    await Promise.all(network.ids.map((target, asker) => network.findNode(asker, target, 5)));
    const figures = await runLoad({ ...load, forMs: 10_000, atMost: 12 });
    expect(figures).toMatchObject({ exact: 100, recall: 100, nearest8: 100 });
    expect(figures.lookups).toBeGreaterThanOrEqual(12);
    await network.close();
  });

  it("draw the same numbers from the same seed", () => {
    const drawn = () => Array.from(new SeededRandom(9).bytes(4));
    expect(drawn()).toEqual(drawn());
  });
});
