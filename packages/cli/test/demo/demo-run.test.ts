import { describe, expect, it } from "vitest";
import type { DemoFile } from "../../src/demo/demo-file.ts";
import { DemoRun } from "../../src/demo/demo-run.ts";
import type { Account, DemoEvent } from "../../src/demo/events.ts";
import { readLineRecords } from "../../src/demo/line-records.ts";
import { DemoNetwork } from "../../src/demo/network.ts";

const { records } = readLineRecords(new TextEncoder().encode("one\ntwo\nthree\n"));
const file = { name: "file", bytes: Uint8Array.from({ length: 2_500 }, (_, index) => index % 251) };
const nodes = 6;

/** Plays a demo in which something happens at an event; resolves with how it ended, and all events. */
async function play(
  happen: (event: DemoEvent, network: DemoNetwork) => void,
  stored: DemoFile = file,
): Promise<{ ok: boolean; events: DemoEvent[] }> {
  const events: DemoEvent[] = [];
  const { signal } = new AbortController();
  const network = new DemoNetwork({
    nodes,
    processes: 0,
    kad: [],
    records: records.length,
    signal,
    onJoin: () => undefined,
    onVisitor: () => undefined,
    onError: () => undefined,
  });
  const account: Account = {
    tell: (event) => {
      events.push(event);
      happen(event, network);
    },
    close: () => undefined,
  };
  try {
    return { ok: await new DemoRun(network, account, signal).play({ records, file: stored }, nodes), events };
  } finally {
    await network.close();
  }
}

const failuresOf = (events: readonly DemoEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === "failed" ? [[event.step, event.line, event.reason]] : []));

describe("a demo in which not everything works", () => {
  it("counts each read that fails, goes on, and ends with a bad result", async () => {
    const { ok, events } = await play((event, network) => {
      if (event.type !== "stepEnd" || event.step !== "kill") return;
      for (const node of network.nodes) node.close().catch(() => undefined);
    });
    expect(ok).toBe(false);
    expect(failuresOf(events)).toEqual([
      ...records.map(({ line }) => ["reread", line, expect.stringContaining("the node is closed")]),
      ["file", undefined, expect.stringMatching(/^no node answered at udp:/)],
      ["providers", undefined, expect.stringContaining("the node is closed")],
    ]);
    const ends = events.flatMap((event) => (event.type === "stepEnd" ? [[event.step, event.failures]] : []));
    expect(ends).toEqual([
      ["start", 0],
      ["store", 0],
      ["read", 0],
      ["chunks", 0],
      ["announce", 0],
      ["kill", 0],
      ["reread", 3],
      ["file", 1],
      ["providers", 1],
    ]);
    expect(events.at(-1)).toMatchObject({ type: "result", ok: false });
  });

  it("does not look for what was not stored", async () => {
    const { ok, events } = await play((event, network) => {
      if (event.type === "step" && event.step === "store") network.nodes[1]?.close().catch(() => undefined);
    });
    expect(ok).toBe(false);
    expect(failuresOf(events)).toEqual([
      ...records.map(({ line }) => ["store", line, expect.stringContaining("the node is closed")]),
      ...records.map(({ line }) => ["read", line, "it was not stored"]),
      ["chunks", undefined, expect.stringContaining("the node is closed")],
      ...[1, 2, 3, 4].map(() => ["announce", undefined, "the file was not stored"]),
      ...records.map(({ line }) => ["reread", line, "it was not stored"]),
      ["file", undefined, "the file was not stored"],
      ...[1, 2].map(() => ["providers", undefined, "the file was not stored"]),
    ]);
  });

  it("notices a file of which other bytes came back, or not all", async () => {
    for (const [bytes, reason] of [
      [Uint8Array.from({ length: 2_500 }, () => 1), "other bytes came back"],
      [new Uint8Array([...file.bytes, 0]), "2500 of 2501 bytes came back"],
    ] as const) {
      let calls = 0;
      const sly = {
        name: "file",
        get bytes(): Uint8Array {
          return calls++ < 2 ? file.bytes : bytes;
        },
      };
      const { ok, events } = await play(() => undefined, sly);
      expect([ok, failuresOf(events)]).toEqual([false, [["file", undefined, reason]]]);
    }
  });
});
