import { connect, createServer, type Server, type Socket } from "node:net";
import { AddressTable } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TcpListener, type TcpListenerOptions } from "../src/tcp-listener.ts";
import { openHandles } from "./endpoint.ts";

const listeners: TcpListener[] = [];

afterEach(() => {
  for (const listener of listeners.splice(0)) listener.close();
});

async function bind(options: Partial<TcpListenerOptions> = {}) {
  const addresses = new AddressTable();
  const accepted: Socket[] = [];
  const events: string[] = [];
  const listener = await TcpListener.bind({
    listen: addresses.parse("tcp://127.0.0.1:0", { listening: true }),
    backlog: 10,
    keepAliveMs: 1_000,
    restMs: 30,
    onConnection: (socket) => void accepted.push(socket),
    onShortage: () => void events.push("shortage"),
    onError: (error) => void events.push(error.message),
    ...options,
  });
  listeners.push(listener);
  const port = listener.dialable(addresses)[0]?.port as number;
  return { listener, port, accepted, events };
}

/** Whether somebody takes the connection. */
function knock(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

describe("a listener that rests", () => {
  it("refuses connections for a while, and then takes them at the same port", async () => {
    const { listener, port, accepted } = await bind();
    expect(await knock(port)).toBe(true);
    listener.rest();
    listener.rest();
    expect([listener.isListening, await knock(port)]).toEqual([false, false]);
    await vi.waitUntil(() => listener.isListening, { timeout: 30_000 });
    expect(await knock(port)).toBe(true);
    await vi.waitUntil(() => accepted.length === 2, { timeout: 30_000 });
  });

  it("rests on while somebody else has its port", async () => {
    const { listener, port } = await bind();
    listener.rest();
    const other: Server = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(listener.isListening).toBe(false);
    await new Promise((resolve) => other.close(resolve));
    await vi.waitUntil(() => listener.isListening, { timeout: 30_000 });
  });

  it("may be closed meanwhile, and leaves nothing behind", async () => {
    const before = await openHandles();
    const { listener } = await bind();
    listener.rest();
    listener.close();
    listener.rest();
    expect(await openHandles()).toEqual(before);
  });

  it("keeps the process alive as before", async () => {
    const before = await openHandles();
    const { listener } = await bind();
    listener.unref();
    listener.rest();
    expect(await openHandles()).toEqual(before);
    listener.ref();
    await vi.waitUntil(() => listener.isListening, { timeout: 30_000 });
    expect((await openHandles()).length).toBe(before.length + 1);
  });
});
