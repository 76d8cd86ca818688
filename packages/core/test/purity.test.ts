/**
 * Core runs where there is nothing but the language: no clock, no randomness, no timers, no console. And the same calls
 * give the same bytes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { transform } from "esbuild";
import { describe, expect, it } from "vitest";
import type * as Core from "../src/index.ts";
import { sha256 } from "./sha256.ts";

const sourceFolder = fileURLToPath(new URL("../src/", import.meta.url));

/** Every source as a CommonJS function, evaluated in a context of its own that has the language and nothing else. */
async function loadBare(forbid: readonly string[]): Promise<typeof Core> {
  const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
  vm.runInContext(forbid.map((name) => `delete globalThis.${name};`).join("\n"), context);
  vm.runInContext("delete Math.random;", context);
  const files = readdirSync(sourceFolder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const bodies = new Map<string, string>();
  for (const name of files) {
    const { code } = await transform(readFileSync(join(sourceFolder, name), "utf8"), {
      loader: "ts",
      format: "cjs",
      target: "es2023",
    });
    bodies.set(join(sourceFolder, name), code);
  }
  const modules = new Map<string, { exports: unknown }>();
  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) return known.exports;
    const body = bodies.get(path);
    if (body === undefined) throw new Error(`core imports ${path}, which is not core`);
    const module = { exports: {} };
    modules.set(path, module);
    const run = vm.runInContext(`(function (exports, require, module) {${body}\n})`, context, {
      filename: path,
    }) as (exports: unknown, require: (name: string) => unknown, module: unknown) => void;
    run(module.exports, (name) => load(resolve(dirname(path), name)), module);
    return module.exports;
  };
  return load(join(sourceFolder, "index.ts")) as typeof Core;
}

/** Two nodes meet, store and find; returns everything that was sent, as hex, and how the queries ended. */
function meet(core: typeof Core, seed: number): string[] {
  let state = seed;
  const random = {
    fill(into: Uint8Array): void {
      for (let i = 0; i < into.length; i++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        into[i] = state >>> 24;
      }
    },
  };
  const addresses = new core.AddressTable();
  addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
  const nodes = [1, 2].map((byte) => {
    const address = addresses.parse(`udp://127.0.0.1:${4_000 + byte}`);
    const id = core.NodeId.fromBytes(new Uint8Array(32).fill(byte));
    return { address, node: new core.KadNode({ id, random, sha256, addresses }) };
  });
  const transcript: string[] = [];
  const scratch = new Uint8Array(1_200);
  const settle = (nowMs: number): void => {
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const { node, address } of nodes) {
        for (
          let t = node.pollTransmit(nowMs, scratch);
          t !== undefined;
          t = node.pollTransmit(nowMs, scratch)
        ) {
          isBusy = true;
          const bytes = Uint8Array.from(scratch.subarray(0, t.length));
          transcript.push(`${t.path.remote.key} ${Buffer.from(bytes).toString("hex")}`);
          const to = nodes.find((other) => other.address.key === t.path.remote.key);
          to?.node.handleNetworkEvent(nowMs, {
            type: "message",
            from: { remote: address, dialable: true },
            bytes,
          });
        }
        for (let event = node.pollEvent(); event !== undefined; event = node.pollEvent()) {
          if (event.type === "queryFinished") transcript.push(`${event.query} ${event.end}`);
        }
      }
    }
  };
  const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  second.node.bootstrap(0, [{ addresses: [first.address] }]);
  settle(0);
  second.node.put(10, core.immutableRecord(sha256, Uint8Array.of(1, 2, 3)));
  settle(10);
  second.node.findNode(20, core.NodeId.fromBytes(new Uint8Array(32).fill(9)));
  settle(20);
  for (let nowMs = 1_000; nowMs < 7_200_000; nowMs += 60_000) {
    for (const { node } of nodes) node.handleTimeout(nowMs);
    settle(nowMs);
  }
  return transcript;
}

/** What a bare context of `node:vm` has beside the language proper, and what no input may come from. */
const ambient = [
  "Date",
  "WebAssembly",
  "Intl",
  "console",
  "Atomics",
  "SharedArrayBuffer",
  "WeakRef",
  "FinalizationRegistry",
];

describe("core", () => {
  it("runs in a context without clock, randomness, timers, console or any host object", async () => {
    const transcript = meet(await loadBare(ambient), 7);
    expect(transcript).toContain("1 converged");
    expect(transcript).toContain("2 converged");
    expect(transcript).toContain("3 converged");
  });

  it("gives the same outputs for the same inputs, to the byte, wherever it runs", async () => {
    const here = meet(await import("../src/index.ts"), 7);
    expect(here.length).toBeGreaterThan(20);
    expect(meet(await import("../src/index.ts"), 7)).toEqual(here);
    expect(meet(await loadBare(ambient), 7)).toEqual(here);
    expect(meet(await import("../src/index.ts"), 8)).not.toEqual(here);
  });
});
