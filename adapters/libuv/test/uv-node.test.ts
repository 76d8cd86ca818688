import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { AddressTable, CallbackError, immutableRecord, KadNode, ListenError, UsageError } from "@kad/core";
import { nativeStats, openNative, quarantine, UnavailableError } from "@kad/native";
import { udp } from "@kad/transport-udp";
import { posixUdp } from "@kad/transport-udp/posix";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openUv, type UvNodeOptions, uvNode, uvUdp } from "../src/index.ts";
import { MemoryUv } from "../src/memory/index.ts";
import { nodeOptions, ping, runUntil, seedOf, silentSeed, start, type TestNode } from "./uv-nodes.ts";
import { isThere, nodesLibuv, openDescriptors, titleOf, worlds } from "./worlds.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.resetModules();
});

describe.each(worlds.map((world) => [titleOf(world), world] as const))("%s", (_title, world) => {
  if (!isThere(world)) {
    it.skip("a node", () => undefined);
    return;
  }

  it("puts and gets a record in a loop that was joined, with callbacks alone", () => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const nodes = [0, 1, 2, 3, 4].map(() => start(uv, { loop }));
    const [first, ...others] = nodes as [TestNode, ...TestNode[]];
    for (const other of others) {
      const query = other.node.driver.run((nowMs) => other.machine.bootstrap(nowMs, [seedOf(first, other)]));
      runUntil(uv, loop, () => other.ends.get(query)?.end === "converged");
    }
    const [writer, reader] = [nodes[1], nodes[4]] as [TestNode, TestNode];
    const record = immutableRecord(nodeOptions(writer.addresses).sha256, new TextEncoder().encode("a value"));
    const put = writer.node.driver.run((nowMs) => writer.machine.put(nowMs, record, { keep: false }));
    runUntil(uv, loop, () => writer.ends.has(put));
    const get = reader.node.driver.run((nowMs) => reader.machine.get(nowMs, record.key));
    runUntil(uv, loop, () => reader.ends.has(get));
    expect(reader.ends.get(get)).toMatchObject({
      end: "converged",
      result: { record: { body: record.body } },
    });
    for (const { node } of nodes) node.close();
    uv.uv_run(loop, "nowait");
    expect(nodes.map(({ node }) => node.openHandles)).toEqual([0, 0, 0, 0, 0]);
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it("runs in a loop of its own until it is stopped, and closes that loop with itself", () => {
    const watch = quarantine();
    const [descriptors, native] = [openDescriptors(), nativeStats()];
    const a = start(world.make(), { onEvent: () => a.node.stop() });
    const query = ping(a, silentSeed(a), 60);
    expect(a.node.run()).toBe(true);
    expect(a.ends.get(query)?.end).toBe("timedOut");
    a.node.close();
    a.node.close();
    expect([a.node.closed, a.node.openHandles, a.machine.drained]).toEqual([true, 0, true]);
    expect([openDescriptors(), nativeStats(), watch.damaged()]).toEqual([descriptors, native, []]);
    expect([a.node.run(), a.node.run("once")]).toEqual([false, false]);
    a.node.stop();
    a.node.wake();
    a.node.ref();
    a.node.unref();
    expect(() => a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id))).toThrow(UsageError);
    watch.end();
  });

  it.each(["a turn", "a command"])(
    "closes from a callback of %s, with work in flight, and leaves nothing",
    (from) => {
      const watch = quarantine();
      const [descriptors, native] = [openDescriptors(), nativeStats()];
      const ends: string[] = [];
      const a = start(world.make(), {
        onEvent(event) {
          if (event.type !== "queryFinished") return;
          ends.push(event.end);
          a.node.close();
        },
      });
      for (let i = 0; i < 3; i++) ping(a, silentSeed(a));
      if (from === "a command") a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id));
      else {
        ping(a, silentSeed(a), 10);
        expect(a.node.run()).toBe(false);
      }
      expect([ends.length, a.node.closed, a.node.openHandles]).toEqual([4, true, 0]);
      expect([openDescriptors(), nativeStats(), watch.damaged()]).toEqual([descriptors, native, []]);
      watch.end();
    },
  );

  it("closes in a loop that was joined with that loop's next iteration, and says so", () => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    let closed = 0;
    const a = start(uv, { loop, onClosed: () => closed++ });
    const timer = uv.uv_timer_init(loop);
    uv.uv_timer_start(timer, () => a.node.close(), 1, 0); // a callback of the host's
    for (let i = 0; i < 100 && closed === 0; i++) uv.uv_run(loop, "once");
    expect([closed, a.node.closed, a.node.openHandles]).toEqual([1, true, 0]);
    expect(uv.uv_err_name(uv.uv_loop_close(loop))).toBe("EBUSY"); // the host's timer
    uv.uv_close(timer);
    uv.uv_run(loop, "nowait");
    expect([uv.uv_loop_close(loop), closed]).toEqual([0, 1]);
  });

  it.each(["default", "once", "nowait"] as const)("is asked and answers in the mode %s", (mode) => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const stop = (): void => uv.uv_stop(loop);
    const [a, b] = [start(uv, { loop, onEvent: stop }), start(uv, { loop })];
    const query = ping(a, seedOf(b, a));
    for (let i = 0; i < 10_000 && !a.ends.has(query); i++) b.node.run(mode);
    expect(a.ends.get(query)?.end).toBe("converged");
    for (const { node } of [a, b]) node.close();
    uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it("throws what nobody took out of run(), and goes on when run again", () => {
    const a = start(world.make(), {
      onEvent() {
        a.node.stop();
        throw new Error("boom");
      },
    });
    for (let round = 0; round < 2; round++) {
      ping(a, silentSeed(a), 20);
      expect(() => a.node.run()).toThrow(CallbackError);
    }
    a.node.close();
  });

  it("hands errors to `report` where there is one, and throws what closing met", () => {
    const reports: unknown[] = [];
    const fail = (): never => {
      throw new Error("boom");
    };
    const a = start(world.make(), { report: (error) => reports.push(error), onEvent: fail });
    const query = ping(a, silentSeed(a), 20);
    while (!a.ends.has(query)) a.node.run("once");
    expect(reports).toEqual([expect.any(CallbackError)]);
    a.node.close();
    const b = start(world.make(), { onEvent: fail });
    ping(b, silentSeed(b));
    expect(() => b.node.close()).toThrow(CallbackError);
    expect([b.node.closed, b.node.openHandles]).toEqual([true, 0]);
  });

  it("says that run would not work from inside a callback", () => {
    const codes: unknown[] = [];
    const a = start(world.make(), {
      onEvent(event) {
        if (event.type !== "queryFinished") return;
        try {
          a.node.run();
        } catch (error) {
          codes.push((error as UsageError).code);
        }
        a.node.stop();
      },
    });
    ping(a, silentSeed(a), 10);
    a.node.run();
    a.node.driver.run((nowMs) => a.machine.findNode(nowMs, a.machine.id)); // ends in the command's own pump
    expect(codes).toEqual(["reentrant", "reentrant"]);
    a.node.close();
  });

  it("keeps the loop alive, unless it is unreferenced", () => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const a = start(uv, { loop });
    a.node.run("nowait");
    expect(uv.uv_loop_alive(loop)).toBe(true);
    a.node.unref();
    expect([uv.uv_loop_alive(loop), uv.uv_run(loop, "default")]).toEqual([false, 0]);
    a.node.ref();
    expect(uv.uv_loop_alive(loop)).toBe(true);
    a.node.close();
    uv.uv_run(loop, "default");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it("has no turn while it is idle, and one when it is woken", () => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const a = start(uv, { loop });
    for (let i = 0; i < 3; i++) uv.uv_run(loop, "nowait");
    let iterations = 0;
    const prepare = uv.uv_phase_init(loop, "prepare");
    uv.uv_phase_start(prepare, () => iterations++);
    const end = uv.uv_timer_init(loop);
    uv.uv_timer_start(end, () => uv.uv_stop(loop), 100, 0);
    uv.uv_run(loop, "default");
    expect(iterations).toBeLessThanOrEqual(2);
    const turns = vi.spyOn(a.machine, "nextDeadline");
    uv.uv_run(loop, "nowait");
    expect(turns).not.toHaveBeenCalled();
    a.node.wake();
    a.node.wake();
    uv.uv_run(loop, "nowait");
    expect(turns).toHaveBeenCalled();
    for (const handle of [prepare, end]) uv.uv_close(handle);
    a.node.close();
    uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it("counts an answer that waits in the kernel while the loop comes late", () => {
    const uv = world.make();
    const loop = uv.uv_loop_init();
    const [a, b] = [start(uv, { loop }), start(uv)];
    const query = ping(a, seedOf(b, a), 100);
    for (let i = 0; i < 100 && b.machine.stats().messagesReceived === 0; i++) b.node.run("nowait");
    world.pass(uv, 250);
    runUntil(uv, loop, () => a.ends.has(query));
    expect(a.ends.get(query)?.end).toBe("converged");
    b.node.close();
    a.node.close();
    uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it("that cannot listen throws the address, and leaves nothing open", () => {
    const uv = world.make();
    const a = start(uv);
    const [descriptors, native] = [openDescriptors(), nativeStats()];
    const fail = (options: Partial<UvNodeOptions> = {}) =>
      start(uv, { transports: [uvUdp({ listen: a.url })], ...options });
    expect(fail).toThrow(ListenError);
    expect(fail).toThrow(expect.objectContaining({ code: "addressInUse", url: a.url }));
    expect([openDescriptors(), nativeStats()]).toEqual([descriptors, native]);
    const loop = uv.uv_loop_init();
    expect(() => fail({ loop })).toThrow(ListenError);
    uv.uv_run(loop, "nowait"); // what had been made goes with the loop's next iteration
    expect(uv.uv_loop_close(loop)).toBe(0);
    a.node.close();
  });

  it("refuses a transport that opens with a promise, and says what to take", async () => {
    const native = nativeStats();
    const transports = [udp({ listen: "udp://127.0.0.1:0" })];
    expect(() => start(world.make(), { transports })).toThrow(
      /^transports: one of them opens with a promise; .*uvUdp/,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([transports[0]?.localAddresses, nativeStats()]).toEqual([[], native]);
  });
});

describe.skipIf(!isThere(nodesLibuv) || process.platform !== "linux")("posix sockets in libuv", () => {
  it("are read in batches, through one uv_poll_t each", () => {
    const uv = openUv();
    const loop = uv.uv_loop_init();
    const transports = () => [posixUdp({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] })];
    const [a, b] = [
      start(uv, { loop, transports: transports() }),
      start(uv, { loop, transports: transports() }),
    ];
    expect(a.node.openHandles).toBe(6);
    const queries = Array.from({ length: 50 }, () => ping(a, seedOf(b, a)));
    runUntil(uv, loop, () => queries.every((query) => a.ends.has(query)));
    expect(new Set(queries.map((query) => a.ends.get(query)?.end))).toEqual(new Set(["converged"]));
    a.node.unref();
    b.node.unref();
    expect(uv.uv_loop_alive(loop)).toBe(false);
    a.node.close();
    b.node.close();
    uv.uv_run(loop, "nowait");
    expect([a.node.openHandles, uv.uv_loop_close(loop)]).toEqual([0, 0]);
  });

  it("one of which somebody else has closed is given up when it is noticed, and the process lives", () => {
    const { koffi } = openNative({ feature: "", instead: "", platforms: ["linux"], libraries: [null] });
    const close = koffi.load(null).func("int close(int fd)");
    const transport = posixUdp({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] });
    const reports: unknown[] = [];
    const uv = openUv();
    const loop = uv.uv_loop_init();
    const options = { loop, report: (error: unknown) => reports.push(error) };
    const [a, b] = [start(uv, { ...options, transports: [transport] }), start(uv, options)];
    uv.uv_run(loop, "nowait");
    const [lost, kept] = transport.sockets;
    close(lost?.fd);
    lost?.receive(1); // libuv says nothing of it
    uv.uv_run(loop, "nowait");
    expect([transport.sockets, reports]).toEqual([[kept], [expect.objectContaining({ code: "EBADF" })]]);
    const query = ping(a, seedOf(b, a));
    runUntil(uv, loop, () => a.ends.has(query));
    expect(a.ends.get(query)?.end).toBe("converged");
    close(kept?.fd);
    Object.defineProperty(kept, "wantsWrite", { value: true }); // it would have to be watched anew
    a.node.wake();
    uv.uv_run(loop, "nowait");
    uv.uv_run(loop, "nowait");
    expect(transport.sockets).toEqual([]);
    for (const { node } of [a, b]) node.close();
    uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });
});

describe.skipIf(!isThere(nodesLibuv))("the libuv inside Node", () => {
  it("is woken by another thread that calls uv_async_send", () => {
    const a = start(openUv());
    for (let i = 0; i < 3; i++) a.node.run("nowait");
    const turns = vi.spyOn(a.machine, "nextDeadline");
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const koffi = createRequire(import.meta.url).resolve("koffi");
    const worker = new Worker(
      `const { workerData: { koffi, address, shared } } = require("node:worker_threads");
       const send = require(koffi).load(null).func("int uv_async_send(uintptr_t async)");
       Atomics.wait(shared, 0, 0, 50);
       send(address);`,
      { eval: true, workerData: { koffi, address: a.node.asyncAddress, shared } },
    );
    a.node.run("once");
    a.node.run("nowait");
    expect(turns).toHaveBeenCalled();
    a.node.close();
    return worker.terminate();
  });

  it("refuses Node's own loop, and says what to do", () => {
    const library = openNative({
      feature: "",
      instead: "",
      platforms: [process.platform],
      libraries: [null],
    });
    const own = library.func("uintptr_t uv_default_loop()")();
    expect(() => openUv().uv_loop_at(own)).toThrow(/Node's own loop.*@kad\/loop-node/);
  });

  it("joins a loop that native code has made, by its address", () => {
    const library = openNative({
      feature: "",
      instead: "",
      platforms: [process.platform],
      libraries: [null],
    });
    const before = nativeStats();
    const uv = openUv();
    const block = library.allocate(library.func("size_t uv_loop_size()")(), "test");
    library.func("int uv_loop_init(uintptr_t loop)")(block.address);
    const loop = uv.uv_loop_at(block.address);
    const [a, b] = [start(uv, { loop }), start(uv, { loop })];
    const query = ping(a, seedOf(b, a));
    const run = library.func("int uv_run(uintptr_t loop, int mode)");
    for (let i = 0; i < 1_000 && !a.ends.has(query); i++) run(block.address, 2); // native code runs it
    expect(a.ends.get(query)?.end).toBe("converged");
    for (const { node } of [a, b]) node.close();
    run(block.address, 2);
    expect([a.node.openHandles, uv.uv_loop_close(loop)]).toEqual([0, 0]);
    block.release();
    expect(nativeStats()).toEqual(before);
  });

  it("is where Bun and Deno have none, and the error says so", async () => {
    for (const [name, runtime] of [
      ["bun", "Bun"],
      ["deno", "Deno"],
    ]) {
      Object.defineProperty(process.versions, name as string, { value: "1.0.0", configurable: true });
      vi.resetModules();
      const fresh = await import("../src/index.ts");
      const message = `@kad/loop-libuv: ${runtime} does not offer the functions of libuv. Give the path of a shared library`;
      expect(() => fresh.openUv()).toThrow(message);
      delete (process.versions as Record<string, string | undefined>)[name as string];
    }
  });
});

it("a library that is nowhere is named, with what to use instead", () => {
  expect(() => openUv({ library: "libnowhere.so.1" })).toThrow(UnavailableError);
  expect(() => openUv({ library: "libnowhere.so.1" })).toThrow(/libnowhere\.so\.1.*@kad\/loop-node/);
});

it("a library that is not libuv is known by what it lacks", () => {
  expect(() => openUv({ library: "libm.so.6" })).toThrow(/uv_/);
});

it("the same calls on a libuv in memory give the same messages at the same times", () => {
  const run = (): unknown[] => {
    const uv = new MemoryUv();
    const loop = uv.uv_loop_init();
    const log: unknown[] = [];
    const fixed = (byte: number) => {
      const addresses = new AddressTable();
      let next = byte;
      const options = {
        ...nodeOptions(addresses),
        random: { fill: (into: Uint8Array) => void into.fill(next++) },
      };
      return { addresses, machine: new KadNode(options) };
    };
    const clock = { nowMs: () => uv.nowMs, unixMs: () => 0 };
    const nodes = [1, 2, 3].map((byte) => {
      const { addresses, machine } = fixed(byte * 16);
      const onEvent = ({ type }: { readonly type: string }): void => void log.push([byte, type, uv.nowMs]);
      const transports = [uvUdp({ listen: `udp://127.0.0.1:${4_000 + byte}` })];
      return {
        addresses,
        machine,
        node: uvNode({ binding: uv, loop, machine, addresses, transports, clock, onEvent }),
      };
    });
    const [first, ...others] = nodes as [(typeof nodes)[0], ...typeof nodes];
    for (const { node, machine, addresses } of others) {
      node.driver.run((nowMs) =>
        machine.bootstrap(nowMs, [{ addresses: [addresses.parse("udp://127.0.0.1:4001")] }]),
      );
    }
    while (uv.nowMs < 60_000) uv.uv_run(loop, "once");
    log.push(first.machine.stats().messagesReceived);
    for (const { node } of nodes) node.close();
    uv.uv_run(loop, "nowait");
    return log;
  };
  const log = run();
  expect(log.length).toBeGreaterThan(5);
  expect(run()).toEqual(log);
});
