import { keyOfName } from "@kad/dht";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Env } from "../../src/io.ts";
import { run } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

let network: TestNetwork;
let env: Env;
let key: string;

beforeAll(async () => {
  network = await openNetwork(4);
  env = { KAD_BOOTSTRAP: network.url };
  key = (await network.nodes[0]?.put("hello"))?.key.toHex() as string;
});

afterAll(async () => {
  await network.close();
});

const lastLines = (text: string): string[] => text.trimEnd().split("\n").slice(-2); // slice: a list of lines

describe("kad explain", () => {
  it("tells of a get step by step, why it ended, and what it found", async () => {
    const { code, out, err } = await run(["explain", key], { env });
    expect([code, err]).toEqual([0, ""]);
    expect(out.startsWith(`toward ${key}\n`)).toBe(true);
    expect(out).toMatch(
      /^ +\d+\.\d ms {2}[0-9a-f]{8} \(\d+ bits\) {2}udp:\/\/127\.0\.0\.1:\d+ {2}asked getValue$/m,
    );
    expect(lastLines(out)).toEqual([
      "ended: the closest that were needed have answered",
      expect.stringMatching(/^found 5 bytes: \d+ requests?, /),
    ]);
  });

  it.each([
    [["--name", "none"], /^nobody has it: /],
    [["--name", "none", "--query", "find"], /^found 4 nodes: /],
    [["--name", "none", "--query", "providers"], /^found 0 providers: /],
  ])("takes %j, and to find nothing is no error", async (argv, outcome) => {
    const { code, out } = await run(["explain", ...argv], { env });
    expect(code).toBe(0);
    expect(out.startsWith(`toward ${keyOfName("none").toHex()}\n`)).toBe(true);
    expect(lastLines(out)[1]).toMatch(outcome);
  });

  it("gives programs one object", async () => {
    const { events } = await run(["explain", key, "--json"], { env });
    expect(events).toHaveLength(1);
    const [{ steps, ...explanation }] = events as unknown as [{ steps: Record<string, unknown>[] }];
    expect(explanation).toEqual({
      event: "explanation",
      query: "get",
      target: key,
      omitted: 0,
      why: "the closest that were needed have answered",
      found: "found 5 bytes",
      requests: expect.any(Number),
      rounds: expect.any(Number),
      hops: expect.any(Number),
      durationMs: expect.any(Number),
    });
    const ids = network.nodes.map(({ id }) => id.toHex());
    expect(steps[0]).toEqual({
      afterMs: 0,
      id: expect.toSatisfy((id: string) => ids.includes(id)),
      address: expect.stringMatching(/^udp:\/\/127\.0\.0\.1:\d+$/),
      sharedBits: expect.any(Number),
      type: "asked",
      request: "getValue",
    });
    expect(steps.find(({ type }) => type === "answered")).toMatchObject({ gave: "value" });
  });

  it("knows three searches", async () => {
    expect(await run(["explain", key, "--query", "put"], { env })).toMatchObject({
      code: 2,
      err: 'kad: --query: "put"; allowed are get, find and providers\n',
    });
  });
});
