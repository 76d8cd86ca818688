import { type AddressKind, AddressTable, type Transmit, UsageError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { type HostSocketOptions, hostSocket } from "../src/index.ts";

function opened(options: Partial<HostSocketOptions> = {}) {
  const sent: [string, number][] = [];
  const heard: unknown[] = [];
  const socket = hostSocket({
    local: ["udp://192.0.2.1:4100", "udp://[2001:db8::1]:4100"],
    send: (bytes, to) => void sent.push([to.key, bytes.length]),
    ...options,
  });
  const addresses = new AddressTable();
  const nothing = (): void => undefined;
  const sink = {
    message: nothing,
    deferred: nothing,
    sent: nothing,
    addressesChanged: nothing,
    report: nothing,
    sendFailed: (...args: unknown[]) => void heard.push(args),
    flow: (kind: AddressKind, open: boolean) => void heard.push([kind, open]),
  };
  socket.open(sink, addresses);
  const to = (url: string): Transmit => ({
    path: { remote: addresses.parse(url), dialable: true },
    peer: undefined,
    length: 3,
    tag: 7,
  });
  return { socket, sent, heard, addresses, sink, to };
}

describe("a socket that the host owns", () => {
  it("carries the kinds of its addresses, and tells those that can be dialled", () => {
    const { socket } = opened({ local: ["udp://0.0.0.0:4100", "udp://[2001:db8::1]:4100"] });
    expect(socket.kinds).toEqual(["udp4", "udp6"]);
    expect(socket.localAddresses.map(({ key }) => key)).toEqual(["udp://[2001:db8::1]:4100"]);
  });

  it("hands what leaves to the host, which may say what became of it", () => {
    const { socket, sent, to } = opened();
    expect(socket.send(to("udp://192.0.2.9:1"), new Uint8Array(3))).toBe("sent");
    expect(sent).toEqual([["udp://192.0.2.9:1", 3]]);
    expect(opened({ send: () => "full" }).socket.send(to("udp://192.0.2.9:1"), new Uint8Array(3))).toBe(
      "full",
    );
  });

  it("passes on that there is room again, and what failed", () => {
    const { socket, heard, addresses } = opened();
    const peer = addresses.parse("udp://192.0.2.9:1");
    socket.writable();
    socket.sendFailed(peer, 7, "unreachable");
    socket.flush();
    expect(heard).toEqual([
      ["udp4", true],
      ["udp6", true],
      [peer, 7, "unreachable"],
    ]);
  });

  it("sends nothing to what is no address of ours, nor once closed", () => {
    const { socket, heard, to } = opened();
    const foreign = { key: "x", wire: Uint8Array.of(1), kind: 1, link: 1, maxBytes: 1_200 };
    const transmit = { ...to("udp://192.0.2.9:1"), path: { remote: foreign, dialable: true } };
    expect(socket.send(transmit, new Uint8Array(1))).toBe("unreachable");
    socket.close();
    socket.close();
    socket.writable();
    expect(socket.send(to("udp://192.0.2.9:1"), new Uint8Array(1))).toBe("unreachable");
    expect([heard, socket.localAddresses]).toEqual([[], []]);
  });

  it("is opened once, closed or not", () => {
    const { socket, sink, addresses } = opened();
    expect(() => socket.open(sink, addresses)).toThrow(UsageError);
    socket.close();
    expect(() => socket.open(sink, addresses)).toThrow(UsageError);
  });

  it.each([
    ["local", { local: [] }],
    ["local", { local: new Array(17).fill("udp://192.0.2.1:1") as string[] }],
    ["maxBytes", { maxBytes: 511 }],
    ["maxBytes", { maxBytes: 1.5 }],
    ["send", { send: undefined as unknown as HostSocketOptions["send"] }],
  ])("refuses a bad %s, and names it", (name, options) => {
    const all = { local: "udp://192.0.2.1:1", send: () => undefined, ...options };
    expect(() => hostSocket(all)).toThrow(expect.objectContaining({ code: "invalidOption" }));
    expect(() => hostSocket(all)).toThrow(`${name}: `);
  });
});
