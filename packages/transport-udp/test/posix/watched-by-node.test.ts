import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { AddressTable, type SendOutcome, type Transport, UsageError } from "@kad/core";
import { nativeStats } from "@kad/native";
import { afterEach, describe, expect, it } from "vitest";
import { watchedByNode } from "../../src/posix/index.ts";
import { PosixUdpTransport } from "../../src/posix/posix-udp.ts";
import { type SocketCalls, socketCalls } from "../../src/posix/socket-calls.ts";
import { RecordingSink } from "../recording-sink.ts";
import { failing, note, openDescriptors, whyNot } from "./posix-endpoint.ts";

const opened: Transport[] = [];
afterEach(() => {
  for (const transport of opened.splice(0)) void transport.close();
});

function openWatched(calls: SocketCalls = socketCalls(), listen = ["udp://127.0.0.1:0"]) {
  const inner = new PosixUdpTransport({ listen }, calls);
  const transport = watchedByNode(inner);
  opened.push(transport);
  const sink = new RecordingSink();
  const addresses = new AddressTable();
  void transport.open(sink, addresses);
  const send = (to: string, number: number): SendOutcome => {
    const path = { remote: addresses.parse(to), dialable: true };
    return transport.send({ path, peer: undefined, length: 1, tag: number }, Uint8Array.of(number));
  };
  const url = (index = 0): string => transport.localAddresses[index]?.key ?? "none";
  return { inner, transport, sink, send, url, addresses };
}

describe.skipIf(whyNot !== undefined)(`posix sockets under Node's own loop${note}`, () => {
  it("bring datagrams while that loop turns", async () => {
    const [a, b] = [openWatched(), openWatched()];
    expect([a.transport.kinds, a.transport.maxBytes]).toEqual([["udp4"], 1_200]);
    for (let number = 0; number < 100; number++) a.send(b.url(), number);
    a.transport.flush();
    await b.sink.until(() => b.sink.messages.length === 100);
    expect(b.sink.messages.map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("go on after a sink that throws, whose error is reported", async () => {
    const [a, b] = [openWatched(), openWatched()];
    b.sink.onMessage = () => {
      throw new Error("boom");
    };
    a.send(b.url(), 1);
    a.transport.flush();
    await b.sink.until(() => b.sink.messages.length === 1);
    b.sink.onMessage = undefined;
    a.send(b.url(), 2);
    a.transport.flush();
    await b.sink.until(() => b.sink.messages.length === 2);
    expect(b.sink.reports).toEqual([expect.objectContaining({ message: "boom" })]);
  });

  it("send on once the kernel has room again", async () => {
    const blocked = failing("sendmmsg", 11, 2);
    const [a, b] = [openWatched(blocked.calls), openWatched()];
    for (let number = 0; number < 10; number++) a.send(b.url(), number);
    a.transport.flush();
    expect(a.inner.sockets[0]?.wantsWrite).toBe(true);
    await b.sink.until(() => b.sink.messages.length === 10);
    expect(a.inner.sockets[0]?.wantsWrite).toBe(false);
  });

  it("whose descriptor somebody else has closed give it up, and keep the others", async () => {
    const [a, b] = [openWatched(socketCalls(), ["udp://127.0.0.1:0", "udp://127.0.0.1:0"]), openWatched()];
    const [lost, kept] = a.inner.sockets;
    await new Promise((resolve) => setImmediate(resolve));
    socketCalls().close(lost?.fd as number);
    lost?.receive(1);
    a.transport.flush();
    expect([a.inner.sockets, a.sink.reports]).toEqual([[kept], [expect.objectContaining({ code: "EBADF" })]]);
    b.send(a.url(), 5);
    b.transport.flush();
    await a.sink.until(() => a.sink.messages.length === 1);
  });

  it("that would have to be watched anew, and are closed, do not end the process", () => {
    const blocked = failing("sendmmsg", 11, 1);
    const a = openWatched(blocked.calls);
    a.send(a.url(), 1);
    socketCalls().close(a.inner.sockets[0]?.fd as number);
    a.transport.flush(); // the kernel has no room, so the watcher is to wait for that as well
    expect([a.inner.sockets, a.sink.reports]).toEqual([[], [expect.objectContaining({ code: "EBADF" })]]);
  });

  it("are closed once, handles first, from inside a message too", async () => {
    const [descriptors, native] = [openDescriptors(), nativeStats()];
    const [a, b] = [openWatched(), openWatched()];
    b.sink.onMessage = () => void b.transport.close();
    for (let number = 0; number < 3; number++) a.send(b.url(), number);
    a.transport.flush();
    await b.sink.until(() => b.sink.messages.length === 1);
    void b.transport.close();
    void a.transport.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([b.sink.messages.length, openDescriptors(), nativeStats()]).toEqual([1, descriptors, native]);
    expect(() => a.transport.open(a.sink, a.addresses)).toThrow(UsageError);
  });

  it.each([
    ["keep the process alive", "", "timed out"],
    ["let it end once they are unreferenced", "transport.unref();", "ended"],
    ["keep it alive again", "transport.unref(); transport.ref();", "timed out"],
    ["let it end when that was said before opening", "", "ended", "transport.unref();"],
  ])("%s", (_title, after, expected, before = "") => {
    const index = fileURLToPath(new URL("../../src/posix/index.ts", import.meta.url));
    const program = `
      import { AddressTable } from "@kad/core";
      import { posixUdp, watchedByNode } from ${JSON.stringify(index)};
      const transport = watchedByNode(posixUdp({ listen: "udp://127.0.0.1:0" }));
      const sink = { addressesChanged() {} };
      ${before}
      transport.open(sink, new AddressTable());
      ${after}
      if (${JSON.stringify(expected)} === "timed out") setTimeout(() => process.exit(7), 200).unref();
    `;
    const args = ["--conditions=@kad/source", "--import=tsx", "--input-type=module", "--eval", program];
    const cwd = fileURLToPath(new URL("../..", import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, args, { cwd, timeout: 20_000, encoding: "utf8" });
    expect([stderr, status]).toEqual(["", expected === "ended" ? 0 : 7]);
  });
});
