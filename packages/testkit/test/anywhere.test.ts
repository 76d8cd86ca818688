/**
 * The suites in a world without Node: a context that has what every page and worker has, two functions of a clock and
 * nothing else of the platform.
 */
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";
import { build, type Rollup } from "vite";
import { beforeAll, describe, expect, it } from "vitest";
import type { CaseResult } from "../src/index.ts";

const program = `(async () => {
  const { core, testkit } = kad;
  const { HandLoop, loopAdapterCases, machineCases, MemoryNetwork, recordStoreCases, transportCases } = testkit;
  const makeTransport = () => {
    const network = new MemoryNetwork();
    return { transport: () => network.transport("udp://10.0.0.1:0"), run: (isDone, forMs) => network.run(isDone, forMs) };
  };
  return JSON.stringify([
    ...await recordStoreCases.run((caps) => new core.MemoryRecordStore(caps), {}),
    ...await machineCases.run((options) => new core.KadNode(options), {}),
    ...await loopAdapterCases.run(() => new HandLoop({ turnMs: 0.5 }), { isSynchronous: true }),
    ...await transportCases.run(makeTransport, {}),
  ]);
})()`;

async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "silent",
    resolve: { conditions: ["@kad/source"] },
    build: {
      write: false,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL("support/everything.ts", import.meta.url)),
        formats: ["iife"],
        name: "kad",
      },
    },
  });
  const [output] = [result].flat() as Rollup.RollupOutput[];
  const [chunk] = output?.output ?? [];
  if (chunk === undefined) throw new Error("nothing was built");
  return chunk.code;
}

describe("the testkit where there is no Node", () => {
  let code = "";
  beforeAll(async () => {
    code = await bundle();
  });

  it("imports nothing", () => {
    expect(code.length).toBeGreaterThan(100_000);
    expect(code).not.toMatch(/\bimport\s*[({"']|\brequire\s*\(/);
  });

  it("runs its suites, with a clock and a timer alone", async () => {
    const context = createContext({ performance: { now: () => performance.now() }, setTimeout });
    new Script(code).runInContext(context);
    const json = await (new Script(program).runInContext(context) as Promise<string>);
    const results = JSON.parse(json) as CaseResult[];
    expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === "passed").length).toBeGreaterThan(80);
  });
});
