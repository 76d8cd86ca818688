/**
 * The core in a world of its own: a context without clock, timers, randomness or console, where only what is handed in
 * exists. Two nodes talk there, twice, and say the same both times.
 */
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";
import { build, type Rollup } from "vite";
import { beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "./pair.ts";

/** What a program in there could use to learn of the world outside, or to act on it. */
const ambient = [
  "Date",
  "Math.random",
  "Intl",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "console",
  "process",
  "Buffer",
  "crypto",
  "fetch",
  "TextEncoder",
  "TextDecoder",
  "URL",
  "Worker",
  "WebAssembly",
  "SharedArrayBuffer",
  "Atomics",
  "WeakRef",
  "FinalizationRegistry",
];

/** Two nodes by hand, on a clock that the program counts itself; returns every datagram and every event as text. */
const program = `(() => {
  const { AddressTable, KadNode, NodeId, immutableRecord } = kad;
  const said = [];
  const addresses = new AddressTable();
  addresses.setLink("udp4", { link: 1, maxBytes: 1200 });
  let state = 12345;
  const random = { fill(into) {
    for (let i = 0; i < into.length; i++) { state = (state * 1103515245 + 12345) >>> 0; into[i] = state >>> 16; }
  } };
  const hash = (bytes) => Uint8Array.from(sha256(bytes));
  const hosts = [1, 2].map((i) => {
    const address = addresses.parse("udp://10.0." + i + ".7:4000");
    const node = new KadNode({ id: NodeId.fromBytes(new Uint8Array(32).fill(i * 77)), random, sha256: hash, addresses });
    return { address, node };
  });
  const [a, b] = hosts;
  b.node.setProtocols(["talk"]);
  const room = new Uint8Array(1200);
  const text = (_key, value) => value instanceof Uint8Array ? [...value]
    : value !== null && typeof value === "object" && "wire" in value ? value.key : value;
  let now = 1;
  const run = (until) => {
    for (; now < until; now += 10) {
      for (const host of hosts) {
        host.node.handleTimeout(now);
        for (let t = host.node.pollTransmit(now, room); t !== undefined; t = host.node.pollTransmit(now, room)) {
          const bytes = Uint8Array.from(room.subarray(0, t.length));
          const to = hosts.find(({ address }) => address.key === t.path.remote.key);
          said.push(now + " " + host.address.key + " " + bytes.join());
          to.node.handleNetworkEvent(now, { type: "message", from: { remote: host.address, dialable: true }, bytes });
        }
        for (let event = host.node.pollEvent(); event !== undefined; event = host.node.pollEvent()) {
          said.push(now + " " + JSON.stringify(event, text));
          if (event.type === "messageReceived") host.node.reply(now, event.reply, Uint8Array.of(4, 5, 6));
        }
      }
    }
  };
  a.node.bootstrap(now, [{ addresses: [b.address] }]);
  run(2000);
  const record = immutableRecord(hash, Uint8Array.of(1, 2, 3));
  a.node.put(now, record);
  run(3000);
  b.node.get(now, record.key);
  a.node.send(now, { addresses: [b.address] }, "talk", Uint8Array.of(1));
  run(4000);
  a.node.handleNetworkEvent(now, { type: "wallClock", unixMs: 1.7e12 });
  run(2 * 3600 * 1000 / 100);
  for (const { node } of hosts) node.close(now);
  run(now + 20);
  return JSON.stringify({ said, drained: hosts.map(({ node }) => node.drained) });
})()`;

async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL("../src/index.ts", import.meta.url)),
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

/** A fresh world, in which `globals` is all that is not of the language itself. */
function run(code: string, globals: Readonly<Record<string, unknown>>): string {
  const context = createContext({ ...globals });
  for (const name of ambient) new Script(`delete globalThis.${name}`).runInContext(context);
  for (const name of ambient) {
    if (new Script(`typeof ${name} !== "undefined"`).runInContext(context))
      throw new Error(`${name} is still there`);
  }
  new Script(code).runInContext(context);
  return new Script(program).runInContext(context) as string;
}

describe("the core in a context without clock, timers, randomness or console", () => {
  let code = "";
  beforeAll(async () => {
    code = await bundle();
  });

  it("is one piece that imports nothing", () => {
    expect(code.length).toBeGreaterThan(100_000);
    expect(code).not.toMatch(/\bimport\s*[({"']|\brequire\s*\(/);
  });

  it("runs: two nodes join, store, read, talk and close", () => {
    const { said, drained } = JSON.parse(run(code, { sha256 })) as { said: string[]; drained: boolean[] };
    expect(drained).toEqual([true, true]);
    const events = said.filter((line) => line.includes("{"));
    expect(said.length - events.length).toBeGreaterThan(20);
    const types = new Set(events.map((line) => /"type":"(\w+)"/.exec(line)?.[1]));
    expect(types).toContain("nodeDiscovered");
    expect(types).toContain("messageReceived");
    expect(said.filter((line) => line.includes('"queryFinished"'))).toHaveLength(4);
    expect(said.filter((line) => line.includes('"end":"converged"'))).toHaveLength(4);
    expect(events.some((line) => line.includes('"accepted":1'))).toBe(true);
    expect(events.some((line) => line.includes('"body":[4,5,6]'))).toBe(true);
  });

  it("says the same for the same inputs, byte for byte", () => {
    expect(run(code, { sha256 })).toBe(run(code, { sha256 }));
  });
});
