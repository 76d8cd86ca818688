import { UsageError } from "@kad/core";
import { nativeStats, quarantine } from "@kad/native";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type UvBinding, type UvHandle, type UvLoop, uvReadable, uvWritable } from "../src/index.ts";
import { isThere, loopback, type TestDescriptor, titleOf, type World, worlds } from "./worlds.ts";

const noNativeMemory = "it has no native memory";

describe.each(worlds.map((world) => [titleOf(world), world] as const))("%s", (_title, given) => {
  if (!isThere(given)) {
    it.skip("the order of callbacks", () => undefined);
    return;
  }
  const world: World = given;
  let uv: UvBinding;
  let loop: UvLoop;
  let log: string[];
  let handles: UvHandle[];
  let descriptors: TestDescriptor[];

  const say = (text: string) => (): void => void log.push(text);
  const keep = <H extends UvHandle>(handle: H): H => {
    handles.push(handle);
    return handle;
  };
  const phase = (type: "idle" | "prepare" | "check", text: string = type) => {
    const handle = keep(uv.uv_phase_init(loop, type));
    uv.uv_phase_start(handle, say(text));
    return handle;
  };
  const timer = (ms: number, text = "timer", repeatMs = 0) => {
    const handle = keep(uv.uv_timer_init(loop));
    uv.uv_timer_start(handle, say(text), ms, repeatMs);
    return handle;
  };
  const descriptor = (): TestDescriptor => {
    const one = world.descriptor(uv);
    descriptors.push(one);
    return one;
  };
  const boundUdp = () => {
    const udp = keep(uv.uv_udp_init(loop));
    expect(uv.uv_udp_bind(udp, loopback(), 0)).toBe(0);
    return { udp, at: loopback(uv.uv_udp_getsockname(udp)) };
  };
  const receive = (udp: ReturnType<typeof boundUdp>["udp"], text = "recv"): void => {
    uv.uv_udp_recv_start(udp, (nread, bytes) => log.push(`${text} ${nread} ${bytes.join()}`));
  };
  /** Runs without waiting until something is logged that begins like this; real sockets take their time. */
  const runUntil = (text: string): void => {
    for (let i = 0; i < 1_000 && !log.some((line) => line.startsWith(text)); i++) uv.uv_run(loop, "nowait");
  };

  beforeEach(() => {
    uv = world.make();
    loop = uv.uv_loop_init();
    log = [];
    handles = [];
    descriptors = [];
  });

  afterEach(() => {
    for (const handle of handles) if (!uv.uv_is_closing(handle)) uv.uv_close(handle);
    for (let i = 0; i < 5; i++) uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
    for (const one of descriptors) one.close();
  });

  it("an iteration calls idle, prepare, what it has polled, check, and due timers", () => {
    const one = descriptor();
    const poll = keep(uv.uv_poll_init(loop, one.fd));
    uv.uv_poll_start(poll, uvReadable, (status, events) => log.push(`poll ${status} ${events}`));
    timer(0);
    phase("check");
    phase("prepare");
    phase("idle");
    one.makeReadable();
    uv.uv_run(loop, "nowait");
    const rest = ["idle", "prepare", "poll 0 1", "check"];
    expect(log).toEqual(world.timersFirst ? ["timer", ...rest] : [...rest, "timer"]);
  });

  it.each(["idle", "prepare", "check"] as const)(
    "of several %s handles the one started last comes first",
    (type) => {
      for (const text of ["a", "b", "c"]) phase(type, text);
      uv.uv_run(loop, "nowait");
      expect(log).toEqual(["c", "b", "a"]);
    },
  );

  it("a phase that is started twice keeps its first callback, and comes no more once it is stopped", () => {
    const check = phase("check", "first");
    uv.uv_phase_start(check, say("second"));
    uv.uv_run(loop, "nowait");
    uv.uv_phase_stop(check);
    uv.uv_phase_stop(check);
    uv.uv_run(loop, "nowait");
    uv.uv_phase_start(check, say("third"));
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["first", "third"]);
  });

  it("a check handle started while the loop polls comes in the same iteration", () => {
    const one = descriptor();
    const check = keep(uv.uv_phase_init(loop, "check"));
    const poll = keep(uv.uv_poll_init(loop, one.fd));
    uv.uv_poll_start(poll, uvReadable, () => {
      log.push("poll");
      uv.uv_phase_start(check, () => {
        log.push("check");
        uv.uv_phase_stop(check);
      });
    });
    one.makeReadable();
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["poll", "check"]);
  });

  it("timers come in the order of their deadlines, then in that of their starts", () => {
    timer(2, "b");
    timer(1, "a");
    timer(2, "c");
    world.pass(uv, 5);
    uv.uv_run(loop, "nowait");
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["a", "b", "c"]);
  });

  it("a timer that is started again has its last deadline and callback, and one that is stopped has none", () => {
    const one = timer(60_000, "late");
    const other = timer(1, "stopped");
    uv.uv_timer_start(one, say("soon"), 1, 0);
    uv.uv_timer_stop(other);
    world.pass(uv, 5);
    uv.uv_run(loop, "nowait");
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["soon"]);
  });

  it("a timer that repeats comes once for each time that it is due", () => {
    const one = timer(10, "tick", 10);
    for (let i = 0; i < 3; i++) {
      world.pass(uv, 11);
      uv.uv_run(loop, "nowait");
    }
    expect(log.length).toBeGreaterThanOrEqual(2);
    expect(log.length).toBeLessThanOrEqual(3);
    expect(uv.uv_is_active(one)).toBe(true);
  });

  it("what is readable is told in every iteration until it has been read", () => {
    const one = descriptor();
    const poll = keep(uv.uv_poll_init(loop, one.fd));
    uv.uv_poll_start(poll, uvReadable, (_status, events) => log.push(`${events}`));
    uv.uv_run(loop, "nowait");
    one.makeReadable();
    uv.uv_run(loop, "nowait");
    uv.uv_run(loop, "nowait");
    one.drain();
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["1", "1"]);
  });

  it("what is writable is told where that is asked for, and the last start counts", () => {
    const one = descriptor();
    const poll = keep(uv.uv_poll_init(loop, one.fd));
    uv.uv_poll_start(poll, uvReadable, say("never"));
    uv.uv_poll_start(poll, uvReadable | uvWritable, (_status, events) => log.push(`${events}`));
    one.makeReadable();
    uv.uv_run(loop, "nowait");
    uv.uv_poll_stop(poll);
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["3"]);
  });

  it("an async that is sent many times comes once, while the loop polls", () => {
    const async = keep(uv.uv_async_init(loop, say("async")));
    phase("check");
    phase("prepare");
    for (let i = 0; i < 5; i++) uv.uv_async_send(async);
    uv.uv_run(loop, "nowait");
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["prepare", "async", "check", "prepare", "check"]);
  });

  it("datagrams come while the loop polls, in order, an empty one too", () => {
    const [a, b] = [boundUdp(), boundUdp()];
    phase("check");
    receive(b.udp);
    expect(uv.uv_udp_try_send(a.udp, Uint8Array.of(1, 2), b.at)).toBe(2);
    expect(uv.uv_udp_try_send(a.udp, new Uint8Array(0), b.at)).toBe(0);
    expect(uv.uv_udp_try_send(a.udp, new Uint8Array(1_200).fill(3), b.at)).toBe(1_200);
    runUntil("recv 1200");
    expect(log.filter((line) => line.startsWith("recv")).map((line) => line.slice(0, 12))).toEqual([
      "recv 2 1,2",
      "recv 0 ",
      "recv 1200 3,",
    ]);
    expect(log.at(-1)).toBe("check");
  });

  it("datagrams say where they come from, and may be answered on the spot", () => {
    const [a, b] = [boundUdp(), boundUdp()];
    uv.uv_udp_recv_start(b.udp, (_nread, bytes, from) => {
      const sender = Uint8Array.from(from);
      uv.uv_udp_try_send(b.udp, Uint8Array.of(9), from);
      log.push(`from ${sender.subarray(2, 8).join()} ${[...bytes].join()} ${from[3] === sender[3]}`);
    });
    receive(a.udp, "answer");
    uv.uv_udp_try_send(a.udp, Uint8Array.of(7), b.at);
    runUntil("answer");
    expect(log).toEqual([`from ${a.at.subarray(2, 8).join()} 7 true`, "answer 1 9"]);
  });

  it("a burst comes whole", () => {
    const [a, b] = [boundUdp(), boundUdp()];
    const seen: number[] = [];
    uv.uv_udp_recv_start(b.udp, (_nread, bytes) => seen.push(bytes[0] as number));
    for (let i = 0; i < 100; i++) uv.uv_udp_try_send(a.udp, Uint8Array.of(i, i), b.at);
    for (let i = 0; i < 1_000 && seen.length < 100; i++) uv.uv_run(loop, "nowait");
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("a socket that was not bound sends from any free port", () => {
    const [a, b] = [keep(uv.uv_udp_init(loop)), boundUdp()];
    receive(b.udp);
    expect(uv.uv_udp_try_send(a, Uint8Array.of(1), b.at)).toBe(1);
    runUntil("recv");
    expect(log).toEqual(["recv 1 1"]);
    expect(uv.uv_udp_getsockname(a)).toBeGreaterThan(0);
    uv.uv_udp_recv_stop(b.udp);
    uv.uv_udp_try_send(a, Uint8Array.of(2), b.at);
    uv.uv_run(loop, "nowait");
    receive(b.udp, "again");
    runUntil("again");
    expect(log.at(-1)).toBe("again 1 2");
  });

  it("bytes that are transferred to another thread are gone, and others come in new memory", (context) => {
    context.skip(!world.isReal, noNativeMemory);
    const [a, b] = [boundUdp(), boundUdp()];
    uv.uv_udp_recv_start(b.udp, (_nread, bytes) => {
      log.push(`recv ${bytes[0]}`);
      if (bytes[0] === 1) structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    });
    for (const number of [1, 2]) uv.uv_udp_try_send(a.udp, Uint8Array.of(number), b.at);
    for (let i = 0; i < 20; i++) uv.uv_run(loop, "nowait");
    uv.uv_udp_try_send(a.udp, Uint8Array.of(3), b.at);
    runUntil("recv 3");
    expect(log).toEqual(["recv 1", "recv 3"]); // the second lay in the same memory
  });

  it("the end of a send comes at the start of a later iteration", () => {
    const [a, b] = [boundUdp(), boundUdp()];
    phase("idle");
    expect(uv.uv_udp_send(a.udp, Uint8Array.of(1), b.at, (status) => log.push(`sent ${status}`))).toBe(0);
    expect(log).toEqual([]);
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["sent 0", "idle"]);
  });

  it("close callbacks come after check, those of handles closed last first", () => {
    phase("check");
    const [a, b] = [phase("prepare", "a"), phase("prepare", "b")];
    uv.uv_close(a, say("closed a"));
    uv.uv_close(b, say("closed b"));
    expect([uv.uv_is_closing(a), uv.uv_is_active(a), log]).toEqual([true, false, []]);
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["check", "closed b", "closed a"]);
    expect(uv.uv_is_closing(a)).toBe(true);
  });

  it("a handle that is closed twice is closed once, and calls with it change nothing", () => {
    const udp = boundUdp();
    const all = [timer(5), phase("check"), keep(uv.uv_async_init(loop, say("async"))), udp.udp];
    for (const handle of all) {
      uv.uv_close(handle, say("closed"));
      uv.uv_close(handle, say("twice"));
    }
    const calls = (): (number | boolean)[] => [
      uv.uv_timer_start(all[0] as never, say("timer"), 0, 0),
      uv.uv_timer_stop(all[0] as never),
      uv.uv_phase_start(all[1] as never, say("check")),
      uv.uv_phase_stop(all[1] as never),
      uv.uv_async_send(all[2] as never),
      uv.uv_udp_bind(udp.udp, loopback(), 0),
      uv.uv_udp_recv_start(udp.udp, say("recv")),
      uv.uv_udp_recv_stop(udp.udp),
      uv.uv_udp_try_send(udp.udp, new Uint8Array(1), udp.at),
      uv.uv_udp_send(udp.udp, new Uint8Array(1), udp.at, say("sent")),
      uv.uv_send_buffer_size(udp.udp, 65_536),
      uv.uv_recv_buffer_size(udp.udp, 65_536),
    ];
    expect(new Set(calls().map((code) => uv.uv_err_name(code as number)))).toEqual(new Set(["EINVAL"]));
    uv.uv_run(loop, "nowait");
    expect(new Set(calls().map((code) => uv.uv_err_name(code as number)))).toEqual(new Set(["EINVAL"]));
    expect(() => uv.uv_udp_getsockname(udp.udp)).toThrow();
    for (const handle of all) {
      uv.uv_ref(handle);
      uv.uv_unref(handle);
      expect([uv.uv_is_active(handle), uv.uv_is_closing(handle)]).toEqual([false, true]);
    }
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["closed", "closed", "closed", "closed"]);
  });

  it("a handle that is closed in its own callback is called no more", () => {
    const [a, b] = [boundUdp(), boundUdp()];
    uv.uv_udp_recv_start(b.udp, () => {
      log.push("recv");
      uv.uv_close(b.udp, say("closed"));
    });
    for (let i = 0; i < 20; i++) uv.uv_udp_try_send(a.udp, Uint8Array.of(i), b.at);
    runUntil("recv");
    uv.uv_run(loop, "nowait");
    expect(log).toEqual(["recv", "closed"]);
  });

  it("a throw in one callback costs no other, and uv_run throws it once it is over", () => {
    const fail = (text: string) => (): never => {
      log.push(text);
      throw new Error(text);
    };
    const idle = keep(uv.uv_phase_init(loop, "idle"));
    uv.uv_phase_start(idle, fail("idle"));
    phase("prepare");
    phase("check");
    expect(() => uv.uv_run(loop, "nowait")).toThrow("idle");
    expect(log).toEqual(["idle", "prepare", "check"]);
    const check = keep(uv.uv_phase_init(loop, "check"));
    uv.uv_phase_start(check, fail("second"));
    expect(() => uv.uv_run(loop, "nowait")).toThrow(/2 errors in callbacks of one uv_run/);
    uv.uv_phase_stop(idle);
    uv.uv_phase_stop(check);
    expect(() => uv.uv_run(loop, "nowait")).not.toThrow();
  });

  describe("uv_run", () => {
    it("with once waits for what comes first, and with nowait for nothing", () => {
      const one = timer(3_600_000, "timer");
      phase("check");
      expect(uv.uv_run(loop, "nowait")).toBeGreaterThan(0);
      expect(log).toEqual(["check"]);
      uv.uv_timer_start(one, say("timer"), 20, 0);
      for (let i = 0; i < 3 && !log.includes("timer"); i++) uv.uv_run(loop, "once");
      expect(log).toContain("timer");
    });

    it("with default goes on until nothing is alive", () => {
      timer(10, "a");
      timer(20, "b");
      expect(uv.uv_run(loop, "default")).toBe(0);
      expect(log).toEqual(["a", "b"]);
    });

    it("with default lets timers fire that are due before it polls", () => {
      phase("prepare");
      const due = keep(uv.uv_timer_init(loop));
      uv.uv_timer_start(
        due,
        () => {
          log.push("timer");
          uv.uv_stop(loop);
        },
        0,
        0,
      );
      uv.uv_run(loop, "default");
      expect(log[0]).toBe("timer");
    });

    it("is kept going by handles that are active and referenced alone", () => {
      const one = timer(60_000);
      const async = keep(uv.uv_async_init(loop, say("async")));
      expect([uv.uv_loop_alive(loop), uv.uv_has_ref(one)]).toEqual([true, true]);
      uv.uv_unref(one);
      uv.uv_unref(async);
      expect([uv.uv_loop_alive(loop), uv.uv_has_ref(one), uv.uv_run(loop, "default")]).toEqual([
        false,
        false,
        0,
      ]);
      uv.uv_ref(one);
      expect(uv.uv_loop_alive(loop)).toBe(true);
      uv.uv_timer_stop(one);
      expect(uv.uv_loop_alive(loop)).toBe(false);
    });

    it("returns after the iteration in which it is stopped", () => {
      const one = keep(uv.uv_timer_init(loop));
      uv.uv_timer_start(
        one,
        () => {
          log.push("tick");
          uv.uv_stop(loop);
        },
        1,
        1,
      );
      expect(uv.uv_run(loop, "default")).toBeGreaterThan(0);
      expect(log).toEqual(["tick"]);
    });

    it("reads the clock once for an iteration", () => {
      const before = uv.uv_now(loop);
      world.pass(uv, 15);
      expect(uv.uv_now(loop)).toBe(before);
      uv.uv_update_time(loop);
      expect(uv.uv_now(loop)).toBeGreaterThanOrEqual(before + 14);
    });
  });

  it("a wait that nothing could end is an error", (context) => {
    context.skip(world.isReal, "the real libuv waits");
    const async = keep(uv.uv_async_init(loop, say("async")));
    expect(() => uv.uv_run(loop, "once")).toThrow("uv_run would wait for ever");
    expect(uv.uv_is_active(async)).toBe(true);
  });

  describe("errors", () => {
    it("have libuv's names", () => {
      const [a, b] = [boundUdp(), keep(uv.uv_udp_init(loop))];
      expect(uv.uv_err_name(uv.uv_udp_bind(b, a.at, 0))).toBe("EADDRINUSE");
      expect(() => uv.uv_poll_init(loop, 90_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
      expect(uv.uv_err_name(-4_000)).toContain("4000");
    });

    it("a loop with open handles is busy, and one that is closed is refused", () => {
      timer(1);
      expect(uv.uv_err_name(uv.uv_loop_close(loop))).toBe("EBUSY");
      const other = uv.uv_loop_init();
      expect(uv.uv_loop_close(other)).toBe(0);
      expect(() => uv.uv_run(other, "nowait")).toThrow(UsageError);
      expect(() => uv.uv_timer_init(other)).toThrow("loop: it is closed");
    });

    it("a loop or an address of another binding is refused", () => {
      expect(() => uv.uv_now({ address: 0, isRunning: false })).toThrow(UsageError);
      for (const address of [0, -1, 1.5]) expect(() => uv.uv_loop_at(address)).toThrow(/^address: /);
    });

    it("a descriptor is known while it is open", () => {
      const one = descriptor();
      expect(uv.uv_guess_handle(one.fd)).toBe("known");
      one.close();
      expect(uv.uv_guess_handle(one.fd)).toBe("unknown");
    });
  });

  it("registers one callback for each kind of call, however many handles there are", (context) => {
    context.skip(!world.isReal, noNativeMemory);
    timer(1);
    const { callbacks } = nativeStats();
    const many = Array.from({ length: 200 }, (_, number) => timer(1, `timer ${number}`));
    expect(nativeStats().callbacks).toBe(callbacks); // a process has 8,190 of them
    runUntil(`timer ${many.length - 1}`);
    expect(log).toHaveLength(many.length + 1);
  });

  it("frees all memory and callbacks with the last loop, and nobody writes to it afterwards", (context) => {
    context.skip(!world.isReal, noNativeMemory);
    const watch = quarantine();
    const other = world.make();
    const before = nativeStats();
    const own = other.uv_loop_init();
    const udp = [other.uv_udp_init(own), other.uv_udp_init(own)] as const;
    for (const one of udp) other.uv_udp_bind(one, loopback(), 0);
    const to = loopback(other.uv_udp_getsockname(udp[1]));
    other.uv_udp_recv_start(udp[1], (nread) => log.push(`${nread}`));
    for (let i = 0; i < 50; i++)
      other.uv_udp_send(udp[0], new Uint8Array(100), to, (status) => log.push(`s${status}`));
    expect(nativeStats().callbacks).toBeGreaterThan(before.callbacks);
    other.uv_run(own, "nowait");
    for (let i = 0; i < 10; i++)
      other.uv_udp_send(udp[0], new Uint8Array(100), to, (status) => log.push(`s${status}`));
    for (const one of udp) other.uv_close(one);
    for (let i = 0; i < 3; i++) other.uv_run(own, "nowait");
    expect(other.uv_loop_close(own)).toBe(0);
    expect(nativeStats()).toEqual(before);
    expect([watch.damaged(), log.filter((line) => line.startsWith("s")).length]).toEqual([[], 60]);
    watch.end();
  });
});
