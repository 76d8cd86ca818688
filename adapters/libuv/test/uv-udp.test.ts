import { networkInterfaces } from "node:os";
import { AddressTable, type SendOutcome, type TransportSink, UsageError } from "@kad/core";
import { intercept, type MakeTransport, transportSuite } from "@kad/testkit";
import { describe, expect, it } from "vitest";
import { type UvBinding, UvHandles, type UvReceived, type UvUdpOptions, uvUdp } from "../src/index.ts";
import { MemoryUv } from "../src/memory/index.ts";
import { isThere, nodesLibuv, openDescriptors, titleOf, worlds } from "./worlds.ts";

const runner = { describe, it };
const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

for (const world of worlds) {
  describe.skipIf(!isThere(world))(titleOf(world), () => {
    if (!isThere(world)) return;
    const at =
      (listen: string): MakeTransport =>
      () => {
        const uv = world.make();
        const handles = new UvHandles(uv, uv.uv_loop_init(), () => undefined);
        const make = (url: string) => {
          const transport = uvUdp({ listen: url });
          transport.joinLoop(handles);
          return transport;
        };
        return {
          transport: () => make(listen),
          transportAt: make,
          ...(world.isReal && { openHandles: () => openDescriptors() + handles.open }),
          run(isDone, forMs) {
            const endMs = performance.now() + forMs;
            while (!isDone() && performance.now() < endMs) {
              uv.uv_run(handles.loop, "nowait");
              world.pass(uv, 1);
            }
          },
          close() {
            for (let i = 0; i < 3; i++) uv.uv_run(handles.loop, "nowait");
            uv.uv_loop_close(handles.loop);
          },
        };
      };
    const skip = {
      "refuses at some point, rather than to keep without a bound":
        "the kernel takes every datagram at once on loopback, and loses what is too much: see backpressure below",
    };
    transportSuite(at("udp://127.0.0.1:0"), { name: "uv_udp_t over IPv4", runner, skip });
    if (hasIpv6 || !world.isReal)
      transportSuite(at("udp://[::1]:0"), { name: "uv_udp_t over IPv6", runner, skip });
  });
}

function open(options: UvUdpOptions = { listen: "udp://127.0.0.1:0" }, instead: Partial<UvBinding> = {}) {
  const memory = new MemoryUv();
  const uv = intercept<UvBinding>(memory, instead);
  const loop = uv.uv_loop_init();
  const handles = new UvHandles(uv, loop, () => undefined);
  const transport = uvUdp(options);
  const addresses = new AddressTable();
  const told: unknown[] = [];
  const heard: number[] = [];
  const sink: TransportSink = {
    message: (_from, bytes) => void heard.push(bytes[0] ?? -1),
    deferred: () => undefined,
    sent: () => undefined,
    sendFailed: (to, tag, reason) => void told.push([to.key, tag, reason]),
    flow: (kind, isOpen) => void told.push([kind, isOpen]),
    addressesChanged: () => undefined,
    report: (error) => void told.push(error),
  };
  transport.joinLoop(handles);
  transport.open(sink, addresses);
  const url = transport.localAddresses[0]?.key ?? "none";
  const send = (number: number, to = url): SendOutcome => {
    const path = { remote: addresses.parse(to), dialable: true };
    return transport.send({ path, peer: undefined, length: 1, tag: number }, Uint8Array.of(number));
  };
  const run = (): void => {
    for (let i = 0; i < 3; i++) uv.uv_run(loop, "nowait");
  };
  return { uv, memory, loop, handles, transport, addresses, sink, told, heard, send, run, url };
}

describe("backpressure", () => {
  it("queues what the kernel does not take, is full at a bound, and opens when half of it is free", () => {
    const { memory, transport, told, heard, send, run } = open({ listen: "udp://127.0.0.1:0", maxQueued: 4 });
    memory.setSendable(false);
    expect([1, 2, 3, 4, 5, 6].map((number) => send(number))).toEqual([
      "sent",
      "sent",
      "sent",
      "sent",
      "full",
      "full",
    ]);
    expect(transport.queued).toBe(4);
    memory.setSendable(true);
    run();
    expect([transport.queued, heard, told]).toEqual([0, [1, 2, 3, 4], [["udp4", true]]]);
    expect(send(7)).toBe("sent");
  });

  it("loses what still waits when it is closed, tells nobody, and frees its handle", () => {
    const { uv, memory, handles, loop, transport, told, send, run } = open();
    memory.setSendable(false);
    send(1);
    transport.close();
    transport.close();
    run();
    expect([handles.open, uv.uv_loop_close(loop), transport.queued, told]).toEqual([0, 0, 0, []]);
    expect(send(2)).toBe("unreachable");
  });
});

describe("a transport on uv_udp_t", () => {
  it("opens once, and only in a loop", () => {
    const { transport, sink, addresses } = open();
    expect(() => transport.open(sink, addresses)).toThrow(UsageError);
    expect(() => uvUdp().open(sink, addresses)).toThrow(/opens in the loop of a node: give it to uvNode/);
  });

  it("tells others what they are to dial", () => {
    expect(open({ announce: "udp://203.0.113.7:4100" }).url).toBe("udp://203.0.113.7:4100");
    const { transport, addresses } = open({ listen: "udp://0.0.0.0:0" });
    const expected = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(
        ({ family, internal, address }) => family === "IPv4" && !internal && !address.startsWith("169.254."),
      )
      .map(({ address }) => address);
    expect(transport.localAddresses.map(({ key }) => addresses.parse(key).host)).toEqual(expected);
  });

  it("answers by the socket that it was spoken to", () => {
    const { transport, addresses, run, told } = open({
      listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0", "udp://[::1]:0"],
    });
    expect(transport.kinds).toEqual(["udp4", "udp6"]);
    const [first, second] = transport.localAddresses;
    for (const local of [first, second]) {
      const path = {
        remote: addresses.parse(first?.key ?? ""),
        dialable: true,
        ...(local !== undefined && { local }),
      };
      expect(transport.send({ path, peer: undefined, length: 1, tag: 1 }, new Uint8Array(1))).toBe("sent");
    }
    run();
    expect(told).toEqual([]);
  });

  it.skipIf(!isThere(nodesLibuv))("tells what the system refuses", () => {
    if (!isThere(nodesLibuv)) return;
    const uv = nodesLibuv.make();
    const loop = uv.uv_loop_init();
    const handles = new UvHandles(uv, loop, () => undefined);
    const { sink, told, addresses } = open();
    const transport = uvUdp({ listen: "udp://127.0.0.1:0" });
    transport.joinLoop(handles);
    transport.open(sink, addresses);
    const path = { remote: addresses.parse("udp://198.51.100.1:9"), dialable: true };
    expect(transport.send({ path, peer: undefined, length: 1, tag: 3 }, new Uint8Array(1))).toBe("queued");
    expect(transport.send({ path, peer: undefined, length: 1_201, tag: 4 }, new Uint8Array(1_201))).toBe(
      "queued",
    );
    expect(told).toEqual([
      ["udp://198.51.100.1:9", 3, "unreachable"],
      ["udp://198.51.100.1:9", 4, "tooLarge"],
    ]);
    transport.close();
    uv.uv_run(loop, "nowait");
    expect(uv.uv_loop_close(loop)).toBe(0);
  });

  it.each([
    ["EMSGSIZE", "tooLarge"],
    ["ENETUNREACH", "unreachable"],
    ["EACCES", "unreachable"],
    ["EIO", "closed"],
  ])("tells a send that fails with %s as %s, at once or later", (name, reason) => {
    const { told, send, uv, run } = open(
      { listen: "udp://127.0.0.1:0" },
      {
        uv_udp_try_send: () => -77,
        uv_err_name: (code) => (code === -77 ? name : "EAGAIN"),
      },
    );
    expect(send(3)).toBe("queued");
    expect(told).toEqual([["udp://127.0.0.1:49152", 3, reason]]);
    expect(uv.uv_version_string()).toContain("memory");
    const late = open(
      { listen: "udp://127.0.0.1:0" },
      {
        uv_udp_try_send: () => -11,
        uv_udp_send: (_udp, _bytes, _to, callback) => {
          callback(-77);
          return 0;
        },
        uv_err_name: (code) => (code === -77 ? name : "EAGAIN"),
      },
    );
    expect(late.send(4)).toBe("sent");
    expect(late.told).toEqual([["udp://127.0.0.1:49152", 4, reason]]);
    const refused = open(
      { listen: "udp://127.0.0.1:0" },
      {
        uv_udp_try_send: () => -11,
        uv_udp_send: () => -77,
        uv_err_name: (code) => (code === -77 ? name : "EAGAIN"),
      },
    );
    expect(refused.send(5)).toBe("queued");
    expect(refused.told).toEqual([["udp://127.0.0.1:49152", 5, reason]]);
    run();
  });

  it("reports an error of receiving, and goes on", () => {
    let receive: UvReceived = () => undefined;
    const { told, heard, addresses, url } = open(
      { listen: "udp://127.0.0.1:0" },
      {
        uv_udp_recv_start: (_udp, callback) => {
          receive = callback;
          return 0;
        },
      },
    );
    const from = new Uint8Array(32);
    from.set([2, 0, 0x10, 4, 127, 0, 0, 1]);
    receive(-12, new Uint8Array(0), new Uint8Array(0), false);
    receive(1, Uint8Array.of(7), from, false);
    receive(1, Uint8Array.of(8), from, true);
    expect([told, heard]).toEqual([[expect.objectContaining({ call: "uv_udp_recv" })], [7]]);
    expect(addresses.parse(url).port).toBe(49_152);
  });

  it.each(["uv_udp_recv_start", "uv_udp_bind"] as const)(
    "that fails to open in %s says why, and frees its handle",
    (call) => {
      const uv = intercept<UvBinding>(new MemoryUv(), { [call]: () => -13, uv_err_name: () => "EACCES" });
      const handles = new UvHandles(uv, uv.uv_loop_init(), () => undefined);
      const transport = uvUdp({ listen: "udp://127.0.0.1:80" });
      transport.joinLoop(handles);
      const { sink, addresses } = open();
      expect(() => transport.open(sink, addresses)).toThrow(
        expect.objectContaining({ code: "notPermitted", url: "udp://127.0.0.1:80" }),
      );
      uv.uv_run(handles.loop, "nowait");
      expect(handles.open).toBe(0);
    },
  );

  it("drops and counts what is too long, or from where nobody could answer", () => {
    const { uv, loop, transport, heard, run, url, addresses } = open();
    const other = uv.uv_udp_init(loop);
    const to = new Uint8Array(32);
    const { port } = addresses.parse(url);
    to.set([2, 0, port >> 8, port & 255, 127, 0, 0, 1]);
    const from = Uint8Array.from(to);
    from.set([0x30, 0x39], 2);
    uv.uv_udp_bind(other, from, 0);
    uv.uv_udp_try_send(other, new Uint8Array(1_201), to);
    uv.uv_udp_try_send(other, Uint8Array.of(5), to);
    run();
    expect([transport.dropped, heard]).toEqual([1, [5]]);
  });

  it.each([
    ["listen", { listen: [] }],
    ["listen", { listen: "tcp://127.0.0.1:1" }],
    ["announce", { announce: "udp://0.0.0.0:1" }],
    ["maxQueued", { maxQueued: 0 }],
    ["maxQueued", { maxQueued: 1.5 }],
  ])("refuses a bad %s", (_name, options) => {
    expect(() => uvUdp(options)).toThrow(UsageError);
  });
});
