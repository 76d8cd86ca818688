import { describe, expect, it } from "vitest";
import type { DemoEvent } from "../../src/demo/events.ts";
import { TextAccount } from "../../src/demo/text-account.ts";
import { Screen } from "../../src/screen.ts";
import { TestIo } from "../support/io.ts";

function told(...events: DemoEvent[]): string {
  const io = new TestIo();
  const account = new TextAccount(Screen.ofStdout(io));
  for (const event of events) account.tell(event);
  account.close();
  return io.out;
}

const effort = { requests: 3, rounds: 1, hops: 0, durationMs: 2.5 };

describe("the account for people", () => {
  it("says what is cut, and nothing of what is not", () => {
    const counts = { bytes: 1_500, lines: 2, records: 2, blankLines: 0, repeatedLines: 0, cutLines: 1 };
    expect(told({ type: "begin", file: "long.txt", ...counts })).toContain(
      "long.txt: 2 lines, 1.5 kB, make 2 records\n  1 over 1,000 bytes, cut there\n",
    );
    expect(told({ type: "begin", file: "a", ...counts, cutLines: 0 }).split("\n")).toHaveLength(4);
  });

  it("tells the first failures one by one, and counts all", () => {
    const failed = Array.from(
      { length: 7 },
      (_, i): DemoEvent => ({ type: "failed", step: "store", line: i + 1, reason: "no\nroom" }),
    );
    const out = told(
      { type: "step", step: "store", total: 7 },
      ...failed,
      { type: "stepEnd", step: "store", failures: 7, durationMs: 12 },
      { type: "result", ok: false, alive: 4, durationMs: 1_234 },
    );
    expect(out.match(/^ {3}failed {2}line \d: no room$/gm)).toHaveLength(5);
    expect(out).toContain("   ✗ 7 failed; 0 records stored in 12 ms\n");
    expect(out).toContain("Not everything worked; it took 1.23 s. 4 nodes are left.\n");
  });

  it("shows a failure without a line, and what a node reports beside", () => {
    const out = told(
      { type: "step", step: "read", total: 1 },
      { type: "failed", step: "read", line: undefined, reason: "odd" },
      { type: "error", message: "something beside" },
    );
    expect(out).toContain("   failed  odd\n   error  something beside\n");
  });

  it("tells a read from afar from one that the reader holds itself", () => {
    const read = { type: "read", line: 1, text: "a", key: "", reader: "udp://127.0.0.1:1", effort } as const;
    const out = told(
      { type: "step", step: "read", total: 2 },
      { ...read, holder: undefined },
      { ...read, holder: "udp://127.0.0.1:2" },
      { type: "stepEnd", step: "read", failures: 0, durationMs: 5 },
    );
    expect(out).toMatch(/1\/2 {2}line {4}1 "a" +:1 had it itself {2}3 requests, 1 round, 0 hops, 2\.5 ms\n/);
    expect(out).toMatch(/2\/2 {2}line {4}1 "a" +:1 ← :2 {2}3 requests/);
    expect(out).toContain("answered by 1 node, most by :2 (1); 1 were held by the reader itself\n");
  });

  it("tells processes from sockets among those killed", () => {
    const out = told(
      { type: "step", step: "kill", total: 2 },
      { type: "killed", id: "ab".repeat(32), address: "udp://127.0.0.1:5", pid: 99 },
      { type: "killed", id: "cd".repeat(32), address: "udp://127.0.0.1:6", pid: undefined },
      { type: "stepEnd", step: "kill", failures: 0, durationMs: 5 },
    );
    expect(out).toContain("1/2  - abababab… :5 (process 99)\n");
    expect(out).toContain("✓ 2 nodes gone: 1 socket closed, 1 process by SIGKILL (pid 99)\n");
  });

  it("takes the control characters out of a line of the file", () => {
    const stored = {
      type: "stored",
      line: 1,
      text: "\u001b[2J\u0007x",
      key: "",
      accepted: 1,
      asked: 1,
      holder: undefined,
      effort,
    } as const;
    expect(told({ type: "step", step: "store", total: 1 }, stored)).not.toContain("\u001b");
  });
});
