import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readTrace, type Trace } from "../src/traces/trace.ts";
import { fileText, scenarios } from "./traces/scenarios.ts";

const names = Object.keys(scenarios);
const file = (name: string): string =>
  readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8");

describe("the golden traces", () => {
  it.each(names)(
    "%s is what core does: after a change that was meant, npm run generate writes it anew",
    (name) => {
      expect(file(name)).toBe(fileText(scenarios[name]?.() as Trace));
    },
  );

  it.each(names)("%s can be read", (name) => {
    expect(readTrace(JSON.parse(file(name))).steps.length).toBeGreaterThan(30);
  });

  it("hold every kind of input and of event that ports must know", () => {
    const steps = names.flatMap((name) => readTrace(JSON.parse(file(name))).steps);
    const inputs = new Set(steps.map(({ input }) => (input.type === "command" ? input.command : input.type)));
    const events = new Set(
      steps.flatMap((step) => step.events.map((event) => (event as { type: string }).type)),
    );
    expect([...inputs].sort()).toEqual(
      [
        ...[
          "addressesChanged",
          "announce",
          "bootstrap",
          "cancel",
          "close",
          "deferred",
          "findNode",
          "findProviders",
        ],
        ...["flow", "get", "message", "ping", "put", "reply", "send", "sendFailed", "sent", "setProtocols"],
        ...["setTimer", "timeout", "wallClock"],
      ].sort(),
    );
    expect([...events].sort()).toEqual([
      "messageReceived",
      "nodeDiscovered",
      "peerMisbehaved",
      "queryFinished",
      "timer",
    ]);
  });
});

describe("a trace that cannot be read", () => {
  const [first = ""] = names;
  const good = (): Record<string, unknown> => JSON.parse(file(first)) as Record<string, unknown>;
  const step = { atMs: 1, input: { type: "timeout" }, sent: [], events: [], deadlineMs: null };

  it.each([
    ["trace", null, "trace: null; allowed is an object"],
    [
      "its format",
      { ...good(), format: "kad-trace-2" },
      'trace.format: "kad-trace-2"; allowed is "kad-trace-1"',
    ],
    ["its id", { ...good(), node: { id: "zz" } }, 'trace.node.id: "zz"; allowed is an id in hex'],
    ["its steps", { ...good(), steps: {} }, "trace.steps: {}; allowed is a list"],
    [
      "an input",
      { ...good(), steps: [{ ...step, input: { type: "x" } }] },
      'trace.steps[0].input.type: "x"; allowed',
    ],
    [
      "an instant",
      { ...good(), steps: [{ ...step, atMs: "1" }] },
      'trace.steps[0].atMs: "1"; allowed is a number',
    ],
    [
      "a message",
      { ...good(), steps: [{ ...step, sent: [{ to: "udp://10.0.0.1:1", tag: 1, hex: "5" }] }] },
      'trace.steps[0].sent[0].hex: "5"; allowed is bytes in hex',
    ],
    [
      "a deadline",
      { ...good(), steps: [{ ...step, deadlineMs: undefined }] },
      "trace.steps[0].deadlineMs: undefined",
    ],
  ])("names %s", (_title, json, message) => {
    expect(() => readTrace(json)).toThrow(message);
  });
});
