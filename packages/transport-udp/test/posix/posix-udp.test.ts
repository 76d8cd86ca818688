import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { ListenError, UsageError } from "@kad/core";
import { nativeStats, quarantine, SystemError } from "@kad/native";
import { afterEach, describe, expect, it } from "vitest";
import { posixUdp } from "../../src/posix/index.ts";
import { socketCalls } from "../../src/posix/socket-calls.ts";
import {
  closeOpened,
  endpoint,
  failing,
  note,
  open,
  openDescriptors,
  type PosixEndpoint,
  whyNot,
  withoutBatches,
} from "./posix-endpoint.ts";

afterEach(closeOpened);

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);
const skipped = whyNot !== undefined;
const [eIntr, eBadf, eAgain, eNoMem] = [4, 9, 11, 12];

function numbered(number: number, length = 8): Uint8Array {
  return new Uint8Array(length).fill(number);
}

function numbersOf({ sink }: PosixEndpoint): (number | undefined)[] {
  return sink.messages.map(({ bytes }) => bytes[0]);
}

const ways = skipped
  ? []
  : ([
      ["in batches", () => socketCalls()],
      ["one by one", withoutBatches],
    ] as const);

describe.skipIf(skipped)(`posix sockets${note}`, () => {
  describe.each(ways)("datagrams, %s", (_title, calls) => {
    it.each([["IPv4", "udp://127.0.0.1:0"], ...(hasIpv6 ? [["IPv6", "udp://[::1]:0"]] : [])])(
      "go both ways over %s",
      (_family, listen) => {
        const [a, b] = [
          open({ listen: listen as string }, calls()),
          open({ listen: listen as string }, calls()),
        ];
        expect(a.send(b.url(), numbered(1))).toBe("sent");
        a.transport.flush();
        b.read(1);
        const { from, bytes, isPlain } = b.sink.messages[0] as (typeof b.sink.messages)[0];
        expect([from.remote.key, from.local?.key, from.dialable, isPlain, bytes]).toEqual([
          a.url(),
          b.url(),
          true,
          true,
          numbered(1),
        ]);
        b.send(from.remote.key, numbered(2, 1_200));
        b.transport.flush();
        a.read(1);
        expect(a.sink.messages[0]?.bytes).toEqual(numbered(2, 1_200));
      },
    );

    it("leave when the pump flushes, in order, with as few calls as there can be", () => {
      const [a, b] = [open(undefined, calls()), open(undefined, calls())];
      for (let number = 0; number < 60; number++) a.send(b.url(), numbered(number, number + 1));
      expect(b.transport.sockets[0]?.receive(1)).toBe(0);
      a.transport.flush();
      b.read(60);
      expect(numbersOf(b)).toEqual(Array.from({ length: 60 }, (_, number) => number));
      expect(b.sink.messages.map(({ bytes }) => bytes.length)).toEqual(numbersOf(b).map((n) => (n ?? 0) + 1));
      expect([a.transport.stats.sendCalls, a.transport.stats.queued.udp4.used]).toEqual([
        calls().sendmmsg === undefined ? 60 : 1,
        0,
      ]);
      expect([b.transport.stats.received, b.transport.stats.receiveCalls]).toEqual([60, 1]);
    });

    it("may be read a few at a time", () => {
      const [a, b] = [open(undefined, calls()), open(undefined, calls())];
      for (let number = 0; number < 10; number++) a.send(b.url(), numbered(number));
      a.transport.flush();
      const [socket] = b.transport.sockets;
      expect([socket?.receive(4), socket?.receive(4), socket?.receive(4), socket?.receive(4)]).toEqual([
        4, 4, 2, 0,
      ]);
    });

    it("are copied at once: the caller's scratch may be overwritten", () => {
      const [a, b] = [open(undefined, calls()), open(undefined, calls())];
      const scratch = numbered(7);
      a.send(b.url(), scratch);
      scratch.fill(0xaa);
      a.transport.flush();
      b.read(1);
      expect(numbersOf(b)).toEqual([7]);
    });

    it("of more than 1,200 bytes are dropped and counted, and those behind them arrive", async () => {
      const b = open(undefined, calls());
      const { port } = b.addresses.parse(b.url());
      const sender = createSocket("udp4");
      for (const length of [1_201, 3_000, 8]) {
        await new Promise((resolve) =>
          sender.send(numbered(length & 0xff, length), port, "127.0.0.1", resolve),
        );
      }
      sender.close();
      b.read(1);
      expect([numbersOf(b), b.transport.stats.dropped]).toEqual([[8], 2]);
    });

    it("that the system refuses are told, and those behind them arrive", () => {
      const [a, b] = [open(undefined, calls()), open(undefined, calls())];
      a.send(b.url(), numbered(1), 1);
      a.send("udp://198.51.100.1:9", numbered(2), 2); // from a loopback socket to the outside
      a.send("udp://198.51.100.1:9", numbered(3), 3);
      a.send(b.url(), numbered(4), 4);
      a.transport.flush();
      b.read(2);
      expect(numbersOf(b)).toEqual([1, 4]);
      expect(a.sink.failures).toEqual(
        [2, 3].map((tag) => ({ to: "udp://198.51.100.1:9", tag, reason: "unreachable" })),
      );
    });

    it("that are too long fail, and so do addresses of another family", () => {
      const a = open(undefined, calls());
      expect(a.send(a.url(), new Uint8Array(1_201), 5)).toBe("queued");
      expect(a.sink.failures).toEqual([{ to: a.url(), tag: 5, reason: "tooLarge" }]);
      expect(() => a.send("udp://[2001:db8::1]:1", numbered(1))).toThrow(
        expect.objectContaining({ code: "invalidAddress" }),
      );
    });

    it("from a peer leave by the socket that it has spoken to", () => {
      const a = open({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] }, calls());
      const b = open(undefined, calls());
      for (const index of [0, 1]) {
        b.send(a.url(index), numbered(index));
        b.transport.flush();
      }
      a.read(2);
      for (const { from } of a.sink.messages) a.send(from.remote.key, numbered(9), 0, from.local);
      a.transport.flush();
      b.read(2);
      expect(new Set(b.sink.messages.map(({ from }) => from.remote.key))).toEqual(
        new Set([a.url(0), a.url(1)]),
      );
    });
  });

  it.skipIf(!hasIpv6)("IPv4 and IPv6 have sockets of their own, on the same port too", () => {
    const a = open({ listen: "udp://127.0.0.1:0" });
    const { port } = a.addresses.parse(a.url());
    const b = open({ listen: `udp://[::]:${port}` });
    const c = open({ listen: ["udp://127.0.0.1:0", "udp://[::1]:0"] });
    expect([b.transport.kinds, c.transport.kinds]).toEqual([["udp6"], ["udp4", "udp6"]]);
    c.send(`udp://[::1]:${port}`, numbered(6));
    c.send(`udp://127.0.0.1:${port}`, numbered(4));
    c.transport.flush();
    for (const one of [a, b]) one.read(1);
    expect([numbersOf(a), numbersOf(b)]).toEqual([[4], [6]]);
  });

  it("a call that a signal interrupts is made again", () => {
    const [a, b] = [
      open(undefined, failing("sendmmsg", eIntr, 2).calls),
      open(undefined, failing("recvmmsg", eIntr, 2).calls),
    ];
    a.send(b.url(), numbered(1));
    a.transport.flush();
    b.read(1);
    expect([numbersOf(b), a.sink.reports, b.sink.reports]).toEqual([[1], [], []]);
    const c = open(undefined, { ...failing("recvfrom", eIntr, 2).calls, recvmmsg: undefined });
    a.send(c.url(), numbered(1));
    a.transport.flush();
    c.read(1);
    expect(numbersOf(c)).toEqual([1]);
  });

  describe("backpressure", () => {
    it("waits for the socket to become writable, and sends on in order", () => {
      const blocked = failing("sendmmsg", eAgain, Number.POSITIVE_INFINITY);
      const [a, b] = [open(undefined, blocked.calls), open()];
      for (let number = 0; number < 200; number++) expect(a.send(b.url(), numbered(number))).toBe("sent");
      a.transport.flush();
      const [socket] = a.transport.sockets;
      expect([socket?.wantsWrite, a.transport.stats.queued.udp4.used]).toEqual([true, 200]);
      blocked.stop();
      a.transport.flush(); // the kernel has not said so yet
      expect(a.transport.stats.queued.udp4.used).toBe(200);
      socket?.writable();
      b.read(200);
      expect([socket?.wantsWrite, a.transport.stats.queued.udp4.used]).toEqual([false, 0]);
      expect(numbersOf(b)).toEqual(Array.from({ length: 200 }, (_, number) => number));
    });

    it("is full when its queue is, and opens the link once half of it is free", () => {
      const blocked = failing("sendmmsg", eAgain, Number.POSITIVE_INFINITY);
      const a = open({ listen: "udp://127.0.0.1:0", maxQueuedBytes: 4 * 1_200 }, blocked.calls);
      const outcomes = [1, 2, 3, 4, 5, 6].map((number) => a.send(a.url(), numbered(number), number));
      expect(outcomes).toEqual(["sent", "sent", "sent", "sent", "full", "full"]);
      expect(a.transport.stats.queued.udp4).toEqual({ used: 4, limit: 4 });
      blocked.stop();
      a.transport.sockets[0]?.writable();
      expect(a.sink.flows).toEqual([{ kind: "udp4", open: true }]);
      a.read(4);
      expect(numbersOf(a)).toEqual([1, 2, 3, 4]);
    });

    it("does not begin while the kernel takes what is gathered", () => {
      const a = open({ listen: "udp://127.0.0.1:0", maxQueuedBytes: 4 * 1_200 });
      for (let number = 0; number < 20; number++) expect(a.send(a.url(), numbered(number))).toBe("sent");
      a.transport.flush();
      a.read(20);
      expect(a.sink.messages.length).toBe(20);
    });

    it("keeps 1 MiB by default", () => {
      expect(posixUdp().stats.queued.udp6).toEqual({ used: 0, limit: 873 });
    });
  });

  describe("a descriptor that somebody else has closed", () => {
    it.each(["receive", "send"])("is noticed by the next %s, reported once, and given up", (how) => {
      const [a, b] = [open({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] }), open()];
      const [lost, kept] = a.transport.sockets;
      const [lostUrl, keptUrl] = [a.url(0), a.url(1)];
      socketCalls().close(lost?.fd as number);
      const local = a.addresses.parse(lostUrl);
      a.send(b.url(), numbered(1), 1, local);
      if (how === "send") a.transport.flush();
      else expect(lost?.receive(8)).toBe(0);
      expect(a.sink.reports).toEqual([expect.objectContaining({ code: "EBADF" })]);
      expect(a.sink.reports[0]).toBeInstanceOf(SystemError);
      expect(a.sink.failures).toEqual([{ to: b.url(), tag: 1, reason: "closed" }]);
      expect([a.transport.sockets, a.url(), a.sink.addressChanges]).toEqual([[kept], keptUrl, 1]);
      expect([lost?.receive(8), lost?.wantsWrite]).toEqual([0, false]);
      expect(a.send(b.url(), numbered(2))).toBe("sent");
      a.transport.flush();
      b.read(1);
      expect(numbersOf(b)).toEqual([2]);
    });

    it("is not closed again, since its number may be another one's by now", () => {
      const a = open();
      const fd = a.transport.sockets[0]?.fd as number;
      socketCalls().close(fd);
      const b = open(); // takes the number
      expect(b.transport.sockets[0]?.fd).toBe(fd);
      b.transport.close();
      expect(a.transport.sockets[0]?.receive(1)).toBe(0);
      const c = open();
      expect(c.transport.sockets[0]?.fd).toBe(fd);
      a.transport.close();
      c.send(c.url(), numbered(3));
      c.transport.flush();
      c.read(1);
      expect(numbersOf(c)).toEqual([3]);
    });

    it("and was the only one leaves nothing to send by", () => {
      const a = open();
      const url = a.url();
      socketCalls().close(a.transport.sockets[0]?.fd as number);
      a.transport.sockets[0]?.receive(1);
      expect([a.send(url, numbered(1)), a.transport.sockets, a.transport.localAddresses]).toEqual([
        "unreachable",
        [],
        [],
      ]);
      a.transport.flush();
      a.transport.close();
    });
  });

  it("an error of reading that passes is reported, and reading goes on", () => {
    const a = open(undefined, failing("recvmmsg", eNoMem, 1).calls);
    a.send(a.url(), numbered(1));
    a.transport.flush();
    a.read(1);
    expect([numbersOf(a), a.sink.reports]).toEqual([[1], [expect.objectContaining({ code: "ENOMEM" })]]);
    expect(eBadf).toBe(socketCalls().platform.eBadf);
  });

  describe("borrowed bytes", () => {
    it("that a sink transfers to another thread are reported, and reading goes on with new ones", () => {
      const a = open();
      a.sink.onMessage = (bytes) => void structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
      a.send(a.url(), numbered(1));
      a.send(a.url(), numbered(2));
      a.transport.flush();
      a.read(1);
      expect(a.sink.reports).toEqual([expect.objectContaining({ code: "invalidArgument" })]);
      a.sink.onMessage = undefined;
      a.send(a.url(), numbered(3));
      a.transport.flush();
      a.read(2);
      expect(numbersOf(a)).toEqual([1, 3]); // the second lay in the same memory
    });

    it("are still there when the sink reads or closes in the middle", () => {
      const watch = quarantine();
      const a = open();
      const seen: number[] = [];
      a.sink.onMessage = (bytes) => {
        seen.push(a.transport.sockets[0]?.receive(8) ?? -1);
        a.transport.close();
        seen.push(bytes[0] as number);
      };
      a.send(a.url(), numbered(1));
      a.send(a.url(), numbered(2));
      a.transport.flush();
      a.read(1);
      expect(seen).toEqual([0, 1]);
      expect([a.sink.messages.length, watch.released > 0, watch.damaged()]).toEqual([1, true, []]);
      watch.end();
    });
  });

  describe("listening", () => {
    it("on every address tells others those of the interfaces, and no loopback", () => {
      const a = open({ listen: "udp://0.0.0.0:0" });
      const expected = Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .filter(
          ({ family, internal, address }) =>
            family === "IPv4" && !internal && !address.startsWith("169.254."),
        )
        .map(({ address }) => address);
      expect(a.transport.localAddresses.map(({ key }) => a.addresses.parse(key).host)).toEqual(expected);
      const { port } = a.addresses.parse(a.url());
      a.send(`udp://127.0.0.1:${port}`, numbered(1));
      a.transport.flush();
      a.read(1);
      expect(a.sink.messages[0]?.from.local).toBe(undefined);
    });

    it("tells others what they are to dial, where that differs", () => {
      const a = open({ listen: "udp://127.0.0.1:0", announce: "udp://203.0.113.7:4100" });
      expect(a.url()).toBe("udp://203.0.113.7:4100");
    });

    it("sets the kernel's buffers", () => {
      const { native } = socketCalls();
      const getsockopt = native.func(
        "int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)",
      );
      const a = open({ listen: "udp://127.0.0.1:0", recvBufferBytes: 65_536, sendBufferBytes: 32_768 });
      const fd = a.transport.sockets[0]?.fd as number;
      const block = native.allocate(16, "test");
      const sizes = [8, 7].map((name) => {
        block.u32[2] = 4;
        getsockopt(fd, 1, name, block.address, block.address + 8);
        return block.u32[0];
      });
      block.release();
      expect(sizes).toEqual([131_072, 65_536]); // Linux doubles them
    });

    it("at a port in use fails with an error that names the address, and leaves nothing open", () => {
      const a = open();
      const [descriptors, native] = [openDescriptors(), nativeStats()];
      const b = endpoint({ listen: ["udp://127.0.0.1:0", a.url()] });
      const fail = (): void => b.transport.open(b.sink, b.addresses);
      expect(fail).toThrow(
        expect.objectContaining({
          code: "addressInUse",
          url: a.url(),
          cause: expect.any(SystemError) as SystemError,
        }),
      );
      expect([openDescriptors(), nativeStats()]).toEqual([descriptors, native]);
      expect(fail).toThrow(UsageError);
      b.transport.close();
    });

    it("at an address that no interface has fails with addressNotAvailable", () => {
      const b = endpoint({ listen: "udp://198.51.100.1:0" });
      const fail = (): void => b.transport.open(b.sink, b.addresses);
      expect(fail).toThrow(ListenError);
      expect(b.transport.localAddresses).toEqual([]);
      const c = endpoint({ listen: "udp://198.51.100.1:0" });
      expect(() => c.transport.open(c.sink, c.addresses)).toThrow(
        expect.objectContaining({ code: "addressNotAvailable" }),
      );
    });

    it("twice is refused", () => {
      const a = open();
      expect(() => a.transport.open(a.sink, a.addresses)).toThrow(UsageError);
    });
  });

  describe("closing", () => {
    it("frees every descriptor and all memory", () => {
      const watch = quarantine();
      const [descriptors, native] = [openDescriptors(), nativeStats()];
      const a = open({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] });
      for (let number = 0; number < 300; number++) a.send(a.url(), numbered(number & 0xff));
      a.transport.flush();
      a.read(100);
      a.transport.close();
      expect([openDescriptors(), nativeStats(), watch.damaged()]).toEqual([descriptors, native, []]);
      watch.end();
    });

    it("lets leave what was sent before", () => {
      const [a, b] = [open(), open()];
      for (let number = 0; number < 50; number++) a.send(b.url(), numbered(number));
      a.transport.close();
      b.read(50);
      expect(b.sink.messages.length).toBe(50);
    });

    it("holds up nothing where the kernel takes no more", () => {
      const a = open(undefined, failing("sendmmsg", eAgain, Number.POSITIVE_INFINITY).calls);
      const native = nativeStats();
      for (let number = 0; number < 100; number++) a.send(a.url(), numbered(number));
      a.transport.close();
      expect(nativeStats().blocks).toBeLessThan(native.blocks);
    });

    it("tells the sink nothing more, and sends nothing more, twice as little", () => {
      const [a, b] = [open(), open()];
      b.send(a.url(), numbered(1));
      b.transport.flush();
      a.send("udp://198.51.100.1:9", numbered(1));
      a.transport.close();
      a.transport.close();
      a.transport.flush();
      expect([a.send(b.url(), numbered(1)), a.transport.sockets, a.transport.localAddresses]).toEqual([
        "unreachable",
        [],
        [],
      ]);
      expect([a.sink.messages, a.sink.failures, a.sink.reports]).toEqual([[], [], []]);
      expect(a.transport.stats.sendCalls + a.transport.stats.receiveCalls).toBe(0);
    });

    it("before it was opened closes it for good", () => {
      const a = endpoint();
      a.transport.close();
      expect(() => a.transport.open(a.sink, a.addresses)).toThrow(UsageError);
    });
  });

  it.each([
    ["listen", { listen: [] }],
    ["announce", { announce: new Array(17).fill("udp://127.0.0.1:1") as string[] }],
    ["maxQueuedBytes", { maxQueuedBytes: 1_199 }],
    ["recvBufferBytes", { recvBufferBytes: 0 }],
    ["sendBufferBytes", { sendBufferBytes: 1.5 }],
  ])("a bad %s is refused, and named", (name, options) => {
    expect(() => posixUdp(options)).toThrow(expect.objectContaining({ code: "invalidOption" }));
    expect(() => posixUdp(options)).toThrow(name);
  });
});
