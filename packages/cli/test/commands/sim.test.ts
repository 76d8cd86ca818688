import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { immutableRecord } from "@kad/core";
import { CallLog, type ExperimentReport, recordedNode, Simulation, Swarm } from "@kad/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { begin, run } from "../support/io.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-sim-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const small = ["sim", "--nodes", "12", "--hours", "0.05", "--lookups", "10"];

describe("kad sim", () => {
  it("reports as one JSON object, the same again for the same seed and options", async () => {
    const argv = [...small, "--records", "3", "--loss", "5%", "--seed", "9", "--json"];
    const { code, out, err, events } = await run(argv);
    expect([code, err]).toEqual([0, ""]);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      event: "report",
      options: { seed: 9, nodes: 12, hours: 0.05, loss: 0.05, lookups: 10, records: 3 },
      join: { joined: 11 },
      phases: [
        { phase: "steady", lookups: { begun: 10 }, gets: { begun: 10, success: 1 }, traffic: {}, tables: {} },
      ],
      records: { records: 3, lost: 0, readBackNewest: 3 },
    });
    expect(out).not.toMatch(/\d\.\d{7}/);
    expect((await run(argv)).out).toBe(out);
  });

  it("reports as text, and draws on a terminal how far it is", async () => {
    const { code, out, err } = await run([...small, "--kill", "0.25", "--records", "2"], {
      isErrorTTY: true,
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^12 nodes, seed 1, 3 min, 25 % of all killed\n {2}joined {2}12 nodes, each in /);
    expect(out).toMatch(/^in the minute after \(0 h to 1 min\), 9 nodes at the end:\n {2}lookups {2}10: /m);
    expect(out).toMatch(/^ {2}records {2}2, of which none lost; .* 2 of 2 read back at the end$/m);
    expect(err).toMatch(
      /(joining|settling|writing|at once) +[█░]{20} {2}\d+ nodes, .* simulated, .* events\/s/,
    );
  });

  it("runs several seeds in threads, and sums them up", async () => {
    const argv = [...small, "--records", "2", "--seed", "3", "--seeds", "3", "--workers", "2"];
    const { code, events } = await run([...argv, "--json"]);
    expect(code).toBe(0);
    expect(events).toMatchObject([
      { event: "report", options: { seed: 3 } },
      { event: "report", options: { seed: 4 } },
      { event: "report", options: { seed: 5 } },
      {
        event: "seeds",
        seeds: 3,
        phases: [{ phase: "steady", gets: { ended: 30, success: 1 }, lookups: { ended: 30, recall: 1 } }],
        records: 6,
        recordsLost: 0,
      },
    ]);
    const { out } = await run(argv);
    expect(out.match(/^12 nodes, seed \d/gm)).toHaveLength(3);
    expect(out).toMatch(
      /\nall 3 seeds:\n.* {2}gets +30: 100 % gave the newest value\n.*records +6, of which none lost\n$/s,
    );
  });

  it("writes charts of series of runs", async () => {
    const charts = join(folder, "new", "charts");
    const argv = [...small, "--records", "2", "--workers", "2", "--plot", charts];
    const { code, events } = await run([...argv, "--json"]);
    expect(code).toBe(0);
    expect(events.filter(({ event }) => event === "report")).toHaveLength(13);
    expect(events.filter(({ event }) => event === "chart")).toMatchObject([
      { file: join(charts, "hops.svg"), hopsPerTenfold: 0, roundsPerTenfold: 0 },
      { file: join(charts, "loss.svg"), series: [{ name: "gets: newest value" }, {}, {}] },
      { file: join(charts, "churn.svg") },
    ]);
    for (const name of ["hops", "loss", "churn"])
      expect(await readFile(join(charts, `${name}.svg`), "utf8")).toMatch(/^<svg .*<\/svg>\n$/s);
  });

  it("has nodes that misbehave, clients and NATs, and names them", async () => {
    const rogues = ["--rogues", "liar=10%", "--rogues", "silent=0.1", "--sybils", "0.1"];
    const others = ["--clients", "10%", "--nat", "port-restricted=20%", "--paths", "3"];
    const conditions = [
      "--churn",
      "1h",
      "--delay",
      "30ms",
      "--join",
      "2s",
      "--duplicate",
      "1%",
      "--reorder",
      "1%",
    ];
    const argv = [
      "sim",
      "--nodes",
      "20",
      "--hours",
      "0.05",
      "--lookups",
      "10",
      ...rogues,
      ...others,
      ...conditions,
    ];
    const { code, events } = await run([...argv, "--json"]);
    expect(code).toBe(0);
    expect(events).toMatchObject([
      {
        options: {
          rogues: { liar: 0.1, silent: 0.1 },
          sybils: 0.1,
          clients: 0.1,
          nat: { portRestricted: 0.2 },
          paths: 3,
          churn: { medianMs: 3_600_000 },
          delayMs: 30,
          joinMs: 2_000,
          duplication: 0.01,
          reordering: 0.01,
        },
        phases: [{ lookups: { begun: 10 } }],
        churn: { joinMs: {} },
      },
    ]);
    const { out } = await run(argv);
    expect(out).toMatch(
      /^20 nodes, seed 1, 3 min, churn with a median session of 1 h, 10 % Sybils, 10 % liars, 10 % silent, 10 % clients, 20 % behind port-restricted NATs, 3 paths\n/,
    );
  });

  it("puts every node behind a secure channel, the same again for the same seed", async () => {
    const argv = [...small, "--records", "3", "--loss", "5%", "--seed", "9"];
    const [encrypted, again, plain] = await Promise.all([
      run([...argv, "--encrypted", "--json"]),
      run([...argv, "--encrypted", "--json"]),
      run([...argv, "--json"]),
    ]);
    expect([encrypted.code, encrypted.err]).toEqual([0, ""]);
    expect(again.out).toBe(encrypted.out);
    expect(encrypted.events[0]).toMatchObject({
      options: { seed: 9, encrypted: true },
      join: { joined: 11 },
      records: { lost: 0, readBackNewest: 3 },
    });
    expect(plain.events[0]).not.toHaveProperty("options.encrypted");
    const joinMs = (report: unknown): number => (report as ExperimentReport).join.durationMs.mean;
    expect(joinMs(encrypted.events[0])).toBeGreaterThan(joinMs(plain.events[0])); // a handshake comes first
    const { out } = await run([...argv, "--encrypted", "--seeds", "2", "--workers", "2"]);
    expect(out.match(/^12 nodes, seed \d+, 3 min, encrypted, loss 5 %$/gm)).toHaveLength(2);
  });

  it("takes a network apart for a while, and says what was found meanwhile", async () => {
    const { code, out } = await run([...small, "--partition", "1m"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^12 nodes, seed 1, 3 min, in two halves for 1 min\n/);
    expect(out).toMatch(/^while the network is in two \(0 h to 1 min\), 12 nodes at the end:$/m);
    expect(out).toMatch(/^in the minute after .*:$/m);
  });

  it("ends at once when it is told to", async () => {
    const { io, code } = begin(["sim", "--nodes", "3000"], { isErrorTTY: true });
    await io.untilError(/joining/);
    io.abort();
    expect(await code).toBe(130);
    expect(io.out).toBe("");
  });

  it.each([
    [["--nodes", "1"], '--nodes: "1"; allowed is a whole number from 2 to 10000000'],
    [["--loss", "1.5"], '--loss: "1.5"; allowed is a share from 0 to 1, such as 0.1 or 10%'],
    [["--loss", "x"], '--loss: "x"; allowed is a share'],
    [["--hours", "-1"], "--hours needs a value"],
    [["--hours", "1e3"], '--hours: "1e3"; allowed is a number from 0 to 8784'],
    [["--churn", "2"], '--churn: "2"; allowed are sessions that end in an hour, such as 0.3/h'],
    [["--churn", "0/h"], '--churn: "0/h"; allowed are'],
    [["--churn", "0h"], '--churn: "0h"; allowed are'],
    [["--delay", "20"], '--delay: "20"; allowed is a time from 0ms to 1m, such as 50ms'],
    [["--delay", "2m"], '--delay: "2m"; allowed is a time from 0ms to 1m'],
    [["--partition", "400d"], '--partition: "400d"; allowed is a time from 0ms to 366d'],
    [
      ["--rogues", "liars=1"],
      '--rogues: "liars=1"; allowed are silent, liar, garbage, stale, flooder with a share',
    ],
    [["--rogues", "liar"], '--rogues: "liar"; allowed are'],
    [["--rogues", "liar=2"], '--rogues: "2"; allowed is a share from 0 to 1'],
    [["--nat", "toString=1"], '--nat: "toString=1"; allowed are full-cone, restricted'],
    [["--nat", "full-cone=0.1", "--nat", "full-cone=0.2"], "--nat: full-cone is given twice"],
    [["--sybils", "0.7", "--clients", "0.7"], "sybils, rogues, clients: 1.4 in all; allowed is 1"],
    [["--seeds", "0"], '--seeds: "0"; allowed is a whole number from 1'],
    [["--workers", "65"], '--workers: "65"; allowed is a whole number from 1 to 64'],
    [["--paths", "9"], '--paths: "9"; allowed is a whole number from 1 to 8'],
    [["--replay", "x", "--rogues", "liar=1"], "--replay plays one node again, and takes no --rogues"],
    [["--kill", "0.5", "--partition", "1m"], "--kill and --partition: allowed is one of them"],
    [["--plot", "x", "--seeds", "2"], "--plot and --seeds: allowed is one of them"],
    [["--replay", "x", "--loss", "0.1"], "--replay plays one node again, and takes no --loss"],
    [
      ["--trial", "1", "--seed", "2"],
      "--trial is a run of its own, and takes no --seed; --trace and --json are allowed",
    ],
    [
      ["--trial", "1", "--encrypted"],
      "--trial is a run of its own, and takes no --encrypted; --trace and --json are allowed",
    ],
    [["--replay", "x", "--encrypted"], "--replay plays one node again, and takes no --encrypted"],
    [["--trace", "x"], "--trace: only a --trial is traced"],
    [["--trial", "1", "--trace", "/does/not/exist"], "--trace /does/not/exist: there is no such folder"],
    [["--seed", "9007199254740991", "--seeds", "2"], "--seeds: 2 from 9007199254740991 on"],
    [["--replay", "/does/not/exist"], "/does/not/exist: there is no such file"],
  ])("says what is wrong with %j", async (argv, message) => {
    const { code, out, err } = await run(["sim", ...argv]);
    expect([code, out]).toEqual([2, ""]);
    expect(err.startsWith("kad: ")).toBe(true);
    expect(err).toContain(message);
  });
});

/** What one node did in a simulated network of three, and the file of it. */
async function recordingFile(name: string, change = (lines: string[]): string[] => lines): Promise<string> {
  const lines: string[] = [];
  const sim = new Simulation({ seed: 3 });
  const swarm = new Swarm(sim, {
    nodes: 3,
    host: (place) =>
      place === 1
        ? {
            machine: (options) =>
              recordedNode(options, new CallLog({ sink: (line) => lines.push(line), about: "a test" })),
          }
        : {},
  });
  swarm.settle();
  sim.host("h1").put(immutableRecord(sim.sha256, new Uint8Array(10)));
  sim.runFor(5_000);
  sim.host("h1").leave();
  const file = join(folder, name);
  await writeFile(file, `${change(lines).join("\n")}\n`);
  return file;
}

describe("kad sim --trial", () => {
  it("runs a network under faults drawn from the seed, and traces it", async () => {
    const file = join(folder, "trace.txt");
    const { code, out, err } = await run(["sim", "--trial", "12", "--trace", file]);
    expect([code, err]).toEqual([0, ""]);
    const [, hash = ""] =
      /^trial 12: no rule was broken.*\nfaults: .*, trace ([0-9a-f]{16})\n/s.exec(out) ?? [];
    const trace = await readFile(file, "utf8");
    expect(trace).toMatch(/^kad-sim trace 1, seed 12\n.*\n[\d.]+ - end \d+\n$/s);
    const { events } = await run(["sim", "--trial", "12", "--json"]);
    expect(events).toMatchObject([
      { event: "trial", seed: 12, passed: true, trace: hash, progress: { found: 5 } },
    ]);
  });

  it("ends at once when it is told to", async () => {
    const { io, code } = begin(["sim", "--trial", "12"]);
    io.abort();
    expect(await code).toBe(130);
    expect(io.out).toBe("");
  });
});

describe("kad sim --replay", () => {
  it("plays a recording again, and says that the node did the same", async () => {
    const file = await recordingFile("same");
    const { code, out, err } = await run(["sim", "--replay", file]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /^node [0-9a-f]{64}: the same again, to where the recording breaks off\n[\d,]+ calls, \d+ messages in, \d+ out, \d+ events\n$/,
    );
    const { events } = await run(["sim", "--replay", file, "--json"]);
    expect(events).toMatchObject([{ event: "replayed", about: "a test", end: "cut" }]);
    expect(events[0]).not.toHaveProperty("difference");
  });

  it("names the first call in which the node did something else, and ends with 1", async () => {
    const file = await recordingFile("changed", (lines) =>
      lines.map((line) => line.replace(/"checksum":"[0-9a-f]{8}"/, '"checksum":"00000000"')),
    );
    const { code, out } = await run(["sim", "--replay", file]);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^node [0-9a-f]{64}: it did something else in line \d+, poll at [\d.]+ ms\n {2}then: .*"checksum":"00000000".*\n {2}now: {2}.*"checksum":"[0-9a-f]{8}"/,
    );
    const { events } = await run(["sim", "--replay", file, "--json"]);
    expect(events).toMatchObject([{ event: "replayed", difference: { call: "poll" } }]);
  });

  it.each([
    ["a text", ["hello", "world"], "line 1: it is no JSON"],
    ["an empty file", [], "line 0: it is empty"],
    ["JSON of another kind", ["{}"], "line 1: it is not the first line of a recording"],
    ["a recording of a later version", ['{"recording":2}'], "recording of version 2; this version plays 1"],
  ])("says of %s that it is no recording", async (_what, lines, message) => {
    const file = join(folder, "no-recording");
    await writeFile(file, lines.map((line) => `${line}\n`).join(""));
    const { code, out, err } = await run(["sim", "--replay", file]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`${file}: ${message}`);
  });
});
