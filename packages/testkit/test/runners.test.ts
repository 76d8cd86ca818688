/** That suites run in more than one test runner: vitest runs this file, and this file runs Node's own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { KadNode, MemoryRecordStore } from "@kad/core";
import { describe, expect, it } from "vitest";
import {
  type CaseResult,
  loopAdapterCases,
  machineCases,
  type Runner,
  recordStoreCases,
  recordStoreSuite,
  reportResults,
  secureChannelCases,
  transportCases,
} from "../src/index.ts";

/** A runner that writes down what it is given, and runs it when told to. */
class WrittenRunner implements Runner {
  readonly lines: string[] = [];
  readonly bodies: (() => void | Promise<void>)[] = [];
  readonly describe = (title: string, body: () => void): void => {
    this.lines.push(title);
    body();
  };
  readonly it: Runner["it"] = Object.assign(
    (title: string, body: () => void | Promise<void>): void => {
      this.lines.push(`  ${title}`);
      this.bodies.push(body);
    },
    { skip: (title: string): void => void this.lines.push(`  - ${title}`) },
  );
}

const makeStore = (): MemoryRecordStore => new MemoryRecordStore();

describe("a suite in any runner", () => {
  it("registers one test for each case, under the name that it is given", async () => {
    const runner = new WrittenRunner();
    recordStoreSuite((caps) => new MemoryRecordStore(caps), { runner, name: "mine" });
    expect(runner.lines[0]).toBe("mine");
    expect(runner.lines.length).toBe(1 + recordStoreCases.cases.length);
    for (const body of runner.bodies) await body();
  });

  it("shows a case that was skipped, with its reason, and one that does not apply", () => {
    const runner = new WrittenRunner();
    recordStoreSuite(makeStore, { runner, skip: { "deletes once": "it never deletes" }, isCapped: false });
    expect(runner.lines).toContain("  - deletes once (skipped: it never deletes)");
    expect(runner.lines).toContain(
      "  - refuses a record beyond its number, and leaves all as it was (skipped: the store has no caps)",
    );
  });

  it.each([
    [
      "a case that does not exist",
      { "deletes twice": "why not" },
      '"deletes twice" is no case of this suite; allowed are "gives back',
    ],
    [
      "a skip without a reason",
      { "deletes once": " " },
      '"deletes once" has no reason; allowed is a sentence',
    ],
  ])("refuses %s", (_title, skip, message) => {
    const register = (): void => recordStoreSuite(makeStore, { runner: new WrittenRunner(), skip });
    expect(register).toThrow(expect.objectContaining({ code: "invalidOption" }));
    expect(register).toThrow(message);
  });

  it("takes the global describe and it, and says so where there are none", () => {
    expect(() => recordStoreSuite(makeStore)).toThrow(/runner: undefined.*allowed is \{ describe, it \}/);
    const runner = new WrittenRunner();
    Object.assign(globalThis, { describe: runner.describe, it: runner.it });
    try {
      recordStoreSuite(makeStore);
    } finally {
      Reflect.deleteProperty(globalThis, "describe");
      Reflect.deleteProperty(globalThis, "it");
    }
    expect(runner.lines[0]).toBe("a record store");
  });
});

describe("a suite without a runner", () => {
  it("gives its results as plain data: passed, skipped with a reason, failed with what was expected", async () => {
    const lost = { get: () => undefined };
    const results = await recordStoreCases.run(
      () => Object.assign(new MemoryRecordStore(), lost),
      { skip: { "deletes once": "not today" } },
      ["gives back what was put, field by field", "deletes once", "has one empty page when it is empty"],
    );
    expect(results).toEqual([
      {
        name: "gives back what was put, field by field",
        outcome: "failed",
        reason: expect.stringMatching(
          /^ExpectationError: get gives what was put: it is undefined; expected is/,
        ),
      },
      { name: "deletes once", outcome: "skipped", reason: "not today" },
      { name: "has one empty page when it is empty", outcome: "passed", reason: undefined },
    ]);
  });

  it("can be reported by a runner afterwards, wherever it ran", () => {
    const runner = new WrittenRunner();
    const results: CaseResult[] = [
      { name: "one", outcome: "passed", reason: undefined },
      { name: "two", outcome: "skipped", reason: "because" },
      { name: "three", outcome: "failed", reason: "ExpectationError: no" },
    ];
    reportResults("in a worker", results, runner);
    expect(runner.lines).toEqual(["in a worker", "  one", "  - two (skipped: because)", "  three"]);
    expect(() => runner.bodies[0]?.()).not.toThrow();
    expect(() => runner.bodies[1]?.()).toThrow("ExpectationError: no");
  });

  it("tells what it fails with first, also where closing fails too", async () => {
    const close = (): never => {
      throw new Error("closing");
    };
    const make = (): MemoryRecordStore => Object.assign(new MemoryRecordStore(), { delete: () => true });
    const [result] = await recordStoreCases.run(make, { close }, ["deletes once"]);
    expect(result?.reason).toMatch(/^ExpectationError: the second delete/);
    const [closed] = await recordStoreCases.run(makeStore, { close }, ["deletes once"]);
    expect(closed).toMatchObject({ outcome: "failed", reason: "Error: closing" });
  });
});

describe("every suite", () => {
  it.each([loopAdapterCases, transportCases, recordStoreCases, secureChannelCases, machineCases])(
    "names each of its cases once, and the rule of each: $title",
    ({ cases }) => {
      expect(cases.length).toBeGreaterThan(10);
      expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
      expect(cases.every(({ rule }) => rule.length > 2)).toBe(true);
    },
  );

  it("of machines takes a node that is built from what it offers", async () => {
    const [result] = await machineCases.run((options) => new KadNode(options), {}, [
      "rule 5: what is lost is sent again",
    ]);
    expect(result?.outcome).toBe("passed");
  });
});

describe("Node's own test runner", () => {
  const file = fileURLToPath(new URL("node-test/suites.ts", import.meta.url));
  const run = (env: Readonly<Record<string, string>>): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      const args = ["--conditions=@kad/source", "--import=tsx", "--test-reporter=tap", "--test", file];
      const options = { env: { ...process.env, ...env, NODE_OPTIONS: "" }, timeout: 60_000 };
      execFile(process.execPath, args, options, (error, output) => {
        resolve({ code: error === null ? 0 : 1, output });
      });
    });

  it("runs the suites, and shows what was skipped and why", async () => {
    const { code, output } = await run({});
    expect(output).toContain("ok 1 - gives back what was put, field by field");
    expect(output).toMatch(/deletes once \(skipped: so that the report has a reason to show\) # SKIP/);
    expect(output).toMatch(/# fail 0/);
    expect(Number(/# pass (\d+)/.exec(output)?.[1])).toBeGreaterThan(50);
    expect(code).toBe(0);
  });

  it("fails where an implementation does", async () => {
    const { code, output } = await run({ KAD_FAIL: "1" });
    expect(output).toMatch(/not ok \d+ - gives back what was put/);
    expect(code).toBe(1);
  });
});
