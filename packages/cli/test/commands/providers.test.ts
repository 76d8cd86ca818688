import { keyOfName } from "@kad/dht";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Env } from "../../src/io.ts";
import { begin, run, type TestIo } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

let network: TestNetwork;
let env: Env;

beforeEach(async () => {
  network = await openNetwork(4);
  env = { KAD_BOOTSTRAP: network.url };
});

afterEach(async () => {
  await network.close();
});

const effort = {
  requests: expect.any(Number),
  rounds: expect.any(Number),
  hops: expect.any(Number),
  durationMs: expect.any(Number),
};

/** Announces until `io.abort()`. */
async function announce(...argv: string[]): Promise<{ io: TestIo; code: Promise<number>; id: string }> {
  const announcing = begin(["announce", ...argv, "--json"], { env });
  await announcing.io.until(/"event":"announced"/);
  return { ...announcing, id: announcing.io.events[0]?.id as string };
}

describe("kad announce and kad providers", () => {
  it("tell the network who serves a key, until the one who does ends", async () => {
    const key = "7".repeat(64);
    const one = await announce(key, "--meta", "the first");
    const two = await announce(key, "--listen", "udp://127.0.0.1:0");
    const asked = 5; // the four, and the other announcer
    expect(one.io.eventsOf("announced")).toEqual([
      { event: "announced", key, accepted: 4, asked: 4, ...effort },
    ]);
    expect(two.io.eventsOf("announced")).toEqual([
      { event: "announced", key, accepted: asked, asked, ...effort },
    ]);
    const found = await run(["providers", key], { env });
    expect(found).toMatchObject({ code: 0, err: "" });
    const [address] = one.io.events[0]?.addresses ?? [];
    const [other] = two.io.events[0]?.addresses ?? [];
    expect(found.out.trimEnd().split("\n").sort()).toEqual(
      [`${one.id}  ${address}  the first`, `${two.id}  ${other}`].sort(),
    );
    one.io.abort();
    expect(await one.code).toBe(0);
    expect(one.io.events.at(-1)).toEqual({ event: "stopped" });
    expect((await run(["providers", key], { env })).out).toBe(`${two.id}  ${other}\n`);
    two.io.abort();
    await two.code;
  });

  it("say when nobody has announced a key", async () => {
    const key = "0".repeat(64);
    const said = { code: 3, out: "", err: `kad: nobody has announced ${key}\n` };
    expect(await run(["providers", key], { env })).toMatchObject(said);
    const { err } = await run(["providers", "--name", "printers", "--json"], { env });
    expect(err).toBe("kad: nobody has announced printers\n");
  });

  it("take a name, and tell programs of each provider in JSON", async () => {
    const { io, code, id } = await announce("--name", "printers", "--meta", "häh");
    const { events } = await run(["providers", "--name", "printers", "--json"], { env });
    expect(events).toEqual([
      {
        event: "provider",
        id,
        publicKey: io.events[0]?.publicKey,
        addresses: io.events[0]?.addresses,
        meta: "häh",
        metaBase64: "aMOkaA==",
        lifetimeMs: expect.any(Number),
      },
      { event: "found", providers: 1, end: "converged", ...effort },
    ]);
    expect(io.eventsOf("announced")[0]).toMatchObject({ key: keyOfName("printers").toHex() });
    io.abort();
    await code;
  });

  it("end when as many are known as are wanted", async () => {
    const [, ...announcers] = network.nodes;
    const announcements = await Promise.all(announcers.map((node) => node.announce("popular")));
    const { events } = await run(["providers", "--name", "popular", "--limit", "2", "--json"], { env });
    expect(events.map(({ event }) => event)).toEqual(["provider", "provider", "found"]);
    await Promise.all(announcements.map((announcement) => announcement.withdraw()));
  });

  it("show what a stranger says of itself without its control characters", async () => {
    const announcement = await network.nodes[1]?.announce("rude", {
      meta: Uint8Array.of(0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0xff),
    });
    const { out } = await run(["providers", "--name", "rude"], { env });
    expect(out).toMatch(/ {2}\u{fffd}\[2J \u{fffd}\n$/u);
    const { events } = await run(["providers", "--name", "rude", "--json"], { env });
    expect(events[0]).toMatchObject({ metaBase64: "G1sySgr/" });
    expect(events[0]).not.toHaveProperty("meta");
    await announcement?.withdraw();
  });

  it("tell people what they do", async () => {
    const { io, code } = begin(["announce", "--name", "shown"], { env });
    const [, key] = await io.until(
      /^announced {2}([0-9a-f]{64})\n +to 4 of 4 holders: .*; renewed until this ends$/m,
    );
    expect(key).toBe(keyOfName("shown").toHex());
    const found = await run(["providers", "--name", "shown"], { env, isErrorTTY: true });
    expect(found.err).toMatch(/\d+ requests?, \d+ rounds?/);
    io.abort();
    expect(await code).toBe(0);
    expect(io.out).toMatch(/\nstopped\n$/);
  });

  it.each([
    [["announce"], "give either KEY or --name NAME"],
    [["announce", "12"], 'key: "12"; allowed are 64 hexadecimal digits'],
    [["announce", "--name", "a", "--meta", "é".repeat(201)], "--meta: 402 bytes; allowed are 401"],
    [
      ["announce", "--name", "a", "--insecure", "--meta", "é".repeat(257)],
      "--meta: 514 bytes; allowed are 512",
    ],
    [["providers"], "give either KEY or --name NAME"],
    [["providers", "--name", "a", "--limit", "0"], '--limit: "0"; allowed is a whole number from 1 to 1000'],
  ])("refuse %j before they ask anybody", async (argv, message) => {
    expect(await run(argv, { env })).toMatchObject({ code: 2, out: "", err: `kad: ${message}\n` });
  });

  it("need a network", async () => {
    for (const name of ["announce", "providers"]) {
      const { code, err } = await run([name, "0".repeat(64)]);
      expect([code, err]).toEqual([2, expect.stringMatching(/^kad: --bootstrap is missing: /)]);
    }
  });

  it("fail where nobody takes the announcement", async () => {
    const full = await openNetwork(2, { limits: { maxProviders: 0 } });
    const announcing = await run(["announce", "--name", "a"], { env: { KAD_BOOTSTRAP: full.url } });
    await full.close();
    expect(announcing.code).toBe(1);
    expect(announcing.err).toBe("kad: the key is not announced: 0 of 2 holders took it, 2 full\n");
  });
});
