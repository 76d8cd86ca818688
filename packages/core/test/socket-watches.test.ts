import { expect, it } from "vitest";
import { SocketWatches } from "../src/socket-watches.ts";
import type { PolledSocket } from "../src/transport.ts";

function setUp() {
  const log: string[] = [];
  const watches = new SocketWatches<number>({
    add: ({ fd }, wantsWrite) => {
      log.push(`add ${fd}${wantsWrite ? " write" : ""}`);
      return fd * 10;
    },
    change: (watch, { fd }, wantsWrite) => void log.push(`change ${watch} ${fd} ${wantsWrite}`),
    remove: (watch, { fd }) => void log.push(`remove ${watch} ${fd}`),
  });
  return { log, watches };
}

function socket(fd: number, wantsWrite = false): PolledSocket & { wantsWrite: boolean } {
  return { fd, wantsWrite, receive: () => 0, writable() {} };
}

it("adds sockets that have come, and removes those that have gone before it adds others", () => {
  const { log, watches } = setUp();
  const [a, b, c] = [socket(1), socket(2, true), socket(1)];
  watches.update([a, b]);
  watches.update([b, c]); // c has the number that a had
  expect([log, watches.size]).toEqual([["add 1", "add 2 write", "remove 10 1", "add 1"], 2]);
});

it("changes what is waited for once each time that it changes, the array being the same or not", () => {
  const { log, watches } = setUp();
  const a = socket(1);
  const all = [a];
  watches.update(all);
  a.wantsWrite = true;
  watches.update(all);
  watches.update([a]);
  a.wantsWrite = false;
  watches.update(all);
  expect(log).toEqual(["add 1", "change 10 1 true", "change 10 1 false"]);
});

it("forgets one, or all, and then watches them anew", () => {
  const { log, watches } = setUp();
  const [a, b] = [socket(1), socket(2)];
  const all = [a, b];
  watches.update(all);
  expect([watches.remove(a), watches.remove(a)]).toEqual([true, false]);
  watches.clear();
  watches.update(all);
  expect(log).toEqual(["add 1", "add 2", "remove 10 1", "remove 20 2", "add 1", "add 2"]);
});
