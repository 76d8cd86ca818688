import { networkInterfaces } from "node:os";
import {
  type AddressTable,
  ListenError,
  type SocketAddress,
  AddressTable as Table,
  UsageError,
} from "@kad/core";
import { afterEach, describe, expect, it } from "vitest";
import { udp } from "../src/index.ts";
import { closeOpened, endpointOf, openSockets, openUdp, urlOf } from "./recording-sink.ts";

afterEach(closeOpened);

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);

/** Bytes that tell which message they are. */
function numbered(number: number, length = 8): Uint8Array {
  return new Uint8Array(length).fill(number);
}

describe("datagrams", () => {
  it("that the system refuses come back with the tag of their request", async () => {
    const a = await openUdp({ listen: "udp://127.0.0.1:0" });
    expect(a.send("udp://198.51.100.1:9", numbered(1), 42)).toBe("sent"); // from loopback nothing leads outside
    await a.sink.until(() => a.sink.failures.length === 1);
    expect(a.sink.failures).toEqual([{ to: "udp://198.51.100.1:9", tag: 42, reason: "unreachable" }]);
  });

  it("from an address that nobody could answer are dropped and counted", async () => {
    class PickyTable extends Table {
      refuses = 0;
      override fromSocket(...args: Parameters<AddressTable["fromSocket"]>): SocketAddress | undefined {
        return this.refuses-- > 0 ? undefined : super.fromSocket(...args);
      }
    }
    const table = new PickyTable();
    const a = await openUdp();
    const b = endpointOf(udp({ listen: "udp://127.0.0.1:0" }), table);
    await b.transport.open(b.sink, table);
    table.refuses = 1;
    for (const number of [1, 2]) a.send(urlOf(b), numbered(number));
    await b.sink.until(() => b.sink.messages.length === 1);
    expect(b.sink.messages[0]?.bytes).toEqual(numbered(2));
    expect(b.transport.stats).toMatchObject({ received: 1, dropped: 1 });
  });

  it("go to an address that another table made", async () => {
    const [a, b] = [await openUdp(), await openUdp()];
    const { key, wire, kind } = b.addresses.parse(urlOf(b));
    const remote = { key, wire, kind, link: 1, maxBytes: 1_200 };
    a.transport.send({ path: { remote, dialable: true }, peer: undefined, length: 8, tag: 1 }, numbered(3));
    await b.sink.until(() => b.sink.messages.length === 1);
    expect(b.sink.messages[0]?.bytes).toEqual(numbered(3));
  });
});

describe("several sockets", () => {
  it("answer from the one that the message came in by", async () => {
    const a = await openUdp({ listen: ["udp://127.0.0.1:0", "udp://127.0.0.1:0"] });
    const b = await openUdp();
    for (const index of [1, 0]) {
      b.send(urlOf(a, index), numbered(index));
      await a.sink.until(() => a.sink.messages.length > 0);
      const { from } = a.sink.messages.pop() as (typeof a.sink.messages)[0];
      a.send(from.remote.key, numbered(9), 0, from.local);
      await b.sink.until(() => b.sink.messages.length > 0);
      expect(b.sink.messages.pop()?.from.remote.key).toBe(urlOf(a, index));
    }
  });

  it("reach a loopback address from the loopback one", async () => {
    const a = await openUdp({ listen: ["udp://0.0.0.0:0", "udp://127.0.0.1:0"] });
    const b = await openUdp();
    a.send(urlOf(b), numbered(1));
    await b.sink.until(() => b.sink.messages.length === 1);
    expect(b.sink.messages[0]?.from.remote.key).toBe(a.transport.localAddresses.at(-1)?.key);
  });

  it.runIf(hasIpv6)("take the same port in both families", async () => {
    const a = await openUdp({ listen: "udp://127.0.0.1:0" });
    const { port } = a.addresses.parse(urlOf(a));
    const b = await openUdp({ listen: `udp://[::]:${port}` });
    const c = await openUdp({ listen: ["udp://127.0.0.1:0", "udp://[::1]:0"] });
    expect([b.transport.kinds, c.transport.kinds]).toEqual([["udp6"], ["udp4", "udp6"]]);
    c.send(`udp://[::1]:${port}`, numbered(6));
    c.send(`udp://127.0.0.1:${port}`, numbered(4));
    await Promise.all([a, b].map(({ sink }) => sink.until(() => sink.messages.length === 1)));
    expect([a.sink.messages[0]?.bytes, b.sink.messages[0]?.bytes]).toEqual([numbered(4), numbered(6)]);
  });
});

describe("backpressure", () => {
  it("is full when its queue is, and opens the link once half of it is free", async () => {
    const a = await openUdp({ listen: "udp://127.0.0.1:0", maxQueuedBytes: 4 * 1_200 });
    const b = await openUdp();
    const outcomes = [1, 2, 3, 4, 5, 6].map((number) => a.send(urlOf(b), numbered(number), number));
    expect(outcomes).toEqual(["sent", "sent", "sent", "sent", "full", "full"]);
    expect(a.transport.stats.queued.udp4).toEqual({ used: 4, limit: 4 });
    await a.sink.until(() => a.sink.flows.length > 0);
    expect(a.transport.stats.queued.udp4.used).toBeLessThanOrEqual(2);
    expect(a.send(urlOf(b), numbered(7))).toBe("sent");
    await b.sink.until(() => b.sink.messages.length === 5);
    expect(b.sink.messages.map(({ bytes }) => bytes[0])).toEqual([1, 2, 3, 4, 7]);
    expect(a.sink.flows).toEqual([{ kind: "udp4", open: true }]);
  });

  it("keeps 1 MiB by default, in datagrams of 1,200 bytes", () => {
    expect(udp().maxBytes).toBe(1_200);
    expect(udp().stats.queued.udp6).toEqual({ used: 0, limit: 873 });
  });
});

describe("listening", () => {
  it("on every address tells others those of the interfaces, and no loopback", async () => {
    const a = await openUdp({ listen: "udp://0.0.0.0:0" });
    const expected = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(
        ({ family, internal, address }) => family === "IPv4" && !internal && !address.startsWith("169.254."),
      )
      .map(({ address }) => address);
    const told = a.transport.localAddresses.map(({ key }) => a.addresses.parse(key));
    expect(told.map(({ host }) => host)).toEqual(expected);
    expect(new Set(told.map(({ port }) => port)).size).toBeLessThanOrEqual(1);
  });

  it("tells others what they are to dial, where that differs", async () => {
    const a = await openUdp({ listen: "udp://127.0.0.1:0", announce: "udp://203.0.113.7:4100" });
    expect(a.transport.localAddresses.map(({ key }) => key)).toEqual(["udp://203.0.113.7:4100"]);
  });

  it("sets the kernel's buffers", async () => {
    const a = await openUdp({
      listen: "udp://127.0.0.1:0",
      recvBufferBytes: 65_536,
      sendBufferBytes: 65_536,
    });
    a.send(urlOf(a), numbered(1));
    await a.sink.until(() => a.sink.messages.length === 1);
    expect(a.sink.reports).toEqual([]);
  });

  it("at a port in use fails with an error that names the address, and leaves nothing open", async () => {
    const a = await openUdp();
    const before = await openSockets();
    const b = endpointOf(udp({ listen: ["udp://127.0.0.1:0", urlOf(a)] }));
    const error = await b.transport.open(b.sink, b.addresses).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: "addressInUse", url: urlOf(a), cause: { code: "EADDRINUSE" } });
    expect((error as Error).message).toContain(urlOf(a));
    expect(await openSockets()).toBe(before);
  });

  it("at an address that no interface has fails with addressNotAvailable", async () => {
    const b = endpointOf(udp({ listen: "udp://198.51.100.1:0" }));
    await expect(b.transport.open(b.sink, b.addresses)).rejects.toMatchObject({
      code: "addressNotAvailable",
    });
  });
});

describe("options", () => {
  it.each([
    "tcp://127.0.0.1:1",
    "udp://localhost:1",
    "127.0.0.1:1",
    "udp://127.0.0.1",
    "udp://[::1]:70000",
    "",
  ])("refuse to listen at %j", (listen) => {
    expect(() => udp({ listen })).toThrow(expect.objectContaining({ code: "invalidAddress" }));
  });

  it.each(["udp://0.0.0.0:1", "udp://127.0.0.1:0"])(
    "refuse to announce %s, which nobody can dial",
    (announce) => {
      expect(() => udp({ announce })).toThrow(expect.objectContaining({ code: "invalidAddress" }));
    },
  );

  it.each([
    ["listen", { listen: [] }],
    ["announce", { announce: new Array(17).fill("udp://127.0.0.1:1") as string[] }],
    ["maxQueuedBytes", { maxQueuedBytes: 1_199 }],
    ["recvBufferBytes", { recvBufferBytes: 0 }],
    ["sendBufferBytes", { sendBufferBytes: 1.5 }],
  ])("refuse a bad %s, and name it", (name, options) => {
    expect(() => udp(options)).toThrow(expect.objectContaining({ code: "invalidOption" }));
    expect(() => udp(options)).toThrow(name);
  });

  it.each(["udp://[2001:db8::1]:1", "tcp://127.0.0.1:1"])(
    "refuse to send to %s from IPv4 sockets",
    async (to) => {
      const a = await openUdp();
      expect(() => a.send(to, numbered(1))).toThrow(expect.objectContaining({ code: "invalidAddress" }));
    },
  );
});

describe("closing", () => {
  it("frees every socket", async () => {
    const before = await openSockets();
    const listen = ["udp://127.0.0.1:0", "udp://127.0.0.1:0", ...(hasIpv6 ? ["udp://[::1]:0"] : [])];
    const a = await openUdp({ listen });
    expect(await openSockets()).toBe(before + listen.length);
    await a.transport.close();
    expect(await openSockets()).toBe(before);
    expect(a.transport.localAddresses).toEqual([]);
  });

  it("sends nothing more: nowhere is reached", async () => {
    const [a, b] = [await openUdp(), await openUdp()];
    const closing = a.transport.close();
    expect(a.send(urlOf(b), numbered(1))).toBe("unreachable");
    await closing;
  });

  it("twice returns the same promise", async () => {
    const a = await openUdp();
    expect(a.transport.close()).toBe(a.transport.close());
    await a.transport.close();
  });

  it("while it opens leaves nothing open", async () => {
    const before = await openSockets();
    const a = endpointOf(udp({ listen: "udp://127.0.0.1:0" }));
    const opening = a.transport.open(a.sink, a.addresses);
    await a.transport.close();
    await opening;
    expect(await openSockets()).toBe(before);
    await expect(a.transport.open(a.sink, a.addresses)).rejects.toBeInstanceOf(UsageError);
  });

  it("is not needed by a process that wants to end, once sockets are unreferenced", async () => {
    const before = await openSockets();
    const a = endpointOf(udp({ listen: "udp://127.0.0.1:0" }));
    a.transport.unref();
    await a.transport.open(a.sink, a.addresses);
    expect(await openSockets()).toBe(before);
    a.transport.ref();
    expect(await openSockets()).toBe(before + 1);
    a.transport.unref();
    expect(await openSockets()).toBe(before);
  });

  it("flushing does nothing, since every datagram has left already", () => {
    expect(udp().flush()).toBe(undefined);
  });
});
