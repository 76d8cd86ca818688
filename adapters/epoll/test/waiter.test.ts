import type { PolledSocket } from "@kad/core";
import { nativeStats, SystemError } from "@kad/native";
import { afterEach, describe, expect, it } from "vitest";
import { EpollWaiter } from "../src/epoll-waiter.ts";
import { PollWaiter } from "../src/poll-waiter.ts";
import { epollCalls } from "../src/system-calls.ts";
import type { Readiness, Waiter } from "../src/waiter.ts";
import { note, openDescriptors, whyNot } from "./epoll-nodes.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** Two ends of a pipe; the reading one as a loop sees it. */
function pipe() {
  const { native, pipe, read, write, close } = epollCalls();
  const block = native.allocate(64, "test");
  native.checked("pipe", pipe(block.address));
  const [from, into] = [block.u32[0] as number, block.u32[1] as number];
  const heard: number[] = [];
  const socket = (fd: number, wantsWrite = false): PolledSocket & { wantsWrite: boolean } => ({
    fd,
    wantsWrite,
    writable() {},
    receive(max) {
      heard.push(max);
      return read(fd, block.address, max);
    },
  });
  const end = {
    from,
    into,
    heard,
    reading: socket(from),
    writing: socket(into, true),
    write: () => write(into, block.address, 1),
    close() {
      close(from);
      close(into);
      block.release();
    },
  };
  opened.push(end);
  return end;
}

const time = { nowMs: 1_000 };

function told({ readable, writable, timerFired, rung, interrupted }: Readiness) {
  return { readable: [...readable], writable: [...writable], timerFired, rung, interrupted };
}

const nothing = { readable: [], writable: [], timerFired: false, rung: false, interrupted: false };

const ways: [string, () => Waiter][] = [
  ["an epoll set", () => new EpollWaiter(() => time.nowMs)],
  ["poll(2)", () => new PollWaiter(() => time.nowMs)],
];

describe.skipIf(whyNot !== undefined).each(ways)(`%s${note}`, (_title, make) => {
  function open(): Waiter {
    const waiter = make();
    opened.push(waiter);
    return waiter;
  }

  it("tells what is readable, again and again until it has been read", () => {
    const [waiter, a, b] = [open(), pipe(), pipe()];
    waiter.watch([a.reading, b.reading]);
    expect(told(waiter.wait(0))).toEqual(nothing);
    b.write();
    for (let i = 0; i < 2; i++)
      expect(told(waiter.wait(1_000))).toEqual({ ...nothing, readable: [b.reading] });
    b.reading.receive(8);
    expect(told(waiter.wait(0))).toEqual(nothing);
  });

  it("tells what is writable while that is wanted", () => {
    const [waiter, a] = [open(), pipe()];
    const sockets = [a.writing];
    waiter.watch(sockets);
    expect(told(waiter.wait(1_000))).toEqual({ ...nothing, writable: [a.writing] });
    a.writing.wantsWrite = false;
    waiter.watch(sockets);
    expect(told(waiter.wait(0))).toEqual(nothing);
  });

  it("has forgotten what is not watched any more", () => {
    const [waiter, a, b] = [open(), pipe(), pipe()];
    waiter.watch([a.reading, b.reading]);
    a.write();
    waiter.watch([b.reading]);
    expect(told(waiter.wait(0))).toEqual(nothing);
  });

  it("tells of an end that has hung up", () => {
    const [waiter, a] = [open(), pipe()];
    waiter.watch([a.reading]);
    epollCalls().close(a.into);
    expect(told(waiter.wait(1_000))).toEqual({ ...nothing, readable: [a.reading] });
  });

  it("watches more than a handful", () => {
    const [waiter, pipes] = [open(), Array.from({ length: 20 }, pipe)];
    waiter.watch(pipes.map(({ reading }) => reading));
    for (const { write } of pipes) write();
    expect(new Set(waiter.wait(1_000).readable)).toEqual(new Set(pipes.map(({ reading }) => reading)));
  });

  it.each([
    ["in a while", 20.5],
    ["at once, where the instant has passed", -5],
    ["at once, where it is now: a delay of zero would stop the timer", 0],
    ["after a whole second less a nanosecond's rounding", 999.999_999_9],
  ])("has a timer that fires once, %s", (_when, delayMs) => {
    const waiter = open();
    const startMs = performance.now();
    time.nowMs = 1_000;
    waiter.setTimer(1_000 + delayMs);
    let fired = 0;
    while (fired === 0 && performance.now() < startMs + 5_000) {
      const { timerFired } = waiter.wait(50);
      time.nowMs = 1_000 + performance.now() - startMs;
      if (timerFired) fired++;
    }
    expect(fired).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(Math.floor(delayMs));
    expect(waiter.wait(5).timerFired).toBe(false);
    time.nowMs = 1_000;
  });

  it("has one timer: the last one that was set", () => {
    const waiter = open();
    waiter.setTimer(1_001);
    waiter.setTimer(60_000);
    expect(told(waiter.wait(20))).toEqual(nothing);
  });

  it("is rung once by many, and from then on anew", () => {
    const waiter = open();
    for (let i = 0; i < 3; i++) waiter.ring();
    expect(told(waiter.wait(1_000))).toEqual({ ...nothing, rung: true });
    expect(told(waiter.wait(0))).toEqual(nothing);
    waiter.ring();
    expect(waiter.wait(1_000).rung).toBe(true);
  });

  it("leaves nothing behind, and does nothing more, once closed", () => {
    const [descriptors, native] = [openDescriptors(), nativeStats()];
    const waiter = make();
    waiter.watch([]);
    waiter.close();
    waiter.close();
    waiter.ring();
    waiter.setTimer(1);
    waiter.watch([]);
    expect(told(waiter.wait(undefined))).toEqual(nothing);
    expect([openDescriptors(), nativeStats()]).toEqual([descriptors, native]);
  });

  it("that cannot be had, since no descriptor is left, leaves nothing open", () => {
    const { native } = epollCalls();
    const setrlimit = native.func("int setrlimit(int what, uintptr_t limit)");
    const getrlimit = native.func("int getrlimit(int what, uintptr_t limit)");
    const [limit, lower] = [native.allocate(16, "test"), native.allocate(16, "test")];
    const ofFiles = 7;
    getrlimit(ofFiles, limit.address);
    const errors: unknown[] = [];
    const before = nativeStats();
    for (let left = 0; left < 3; left++) {
      lower.bytes.set(limit.bytes);
      lower.setPointer(0, openDescriptors() - 1 + left); // the soft limit; one descriptor was that of the listing
      setrlimit(ofFiles, lower.address);
      try {
        make().close();
      } catch (error) {
        errors.push(error);
      } finally {
        setrlimit(ofFiles, limit.address);
      }
    }
    expect(errors[0]).toBeInstanceOf(SystemError);
    expect(errors[0]).toMatchObject({ code: "EMFILE" });
    expect(nativeStats()).toEqual(before);
    for (const block of [limit, lower]) block.release();
  });
});

describe.skipIf(whyNot !== undefined)(`a descriptor closed under an epoll set${note}`, () => {
  it("is read once when what is waited for is to change, so that its transport notices", () => {
    const [waiter, a] = [new EpollWaiter(() => 0), pipe()];
    opened.push(waiter);
    const sockets = [a.reading];
    waiter.watch(sockets);
    epollCalls().close(a.from);
    a.reading.wantsWrite = true;
    waiter.watch(sockets);
    expect(a.heard).toEqual([1]);
  });

  it("cannot be added", () => {
    const [waiter, a] = [new EpollWaiter(() => 0), pipe()];
    opened.push(waiter);
    epollCalls().close(a.from);
    expect(() => waiter.watch([a.reading])).toThrow(expect.objectContaining({ code: "EBADF" }));
  });

  it("is told by poll(2) at once", () => {
    const [waiter, a] = [new PollWaiter(() => 0), pipe()];
    opened.push(waiter);
    waiter.watch([a.reading]);
    epollCalls().close(a.from);
    expect(told(waiter.wait(1_000))).toEqual({ ...nothing, readable: [a.reading] });
  });
});
