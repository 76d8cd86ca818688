/** Worlds for the suite of transports, sound or with every transport changed. */
import {
  AddressTable,
  type PolledSocket,
  type PolledTransport,
  type Transport,
  type TransportSink,
} from "@kad/core";
import { intercept, type MakeTransport, MemoryNetwork } from "../../src/index.ts";
import { NetTransport, stalledListener } from "./net-transport.ts";

/** Datagrams in memory; `change` makes a mutant of each transport. */
export const memory =
  (change: (transport: Transport) => Transport = (transport) => transport): MakeTransport =>
  () => {
    const network = new MemoryNetwork();
    return {
      transport: () => change(network.transport("udp://10.0.0.1:0")),
      transportAt: (url) => change(network.transport(url)),
      openHandles: () => network.openTransports,
      run: (isDone, forMs) => network.run(isDone, forMs),
    };
  };

async function openSockets(): Promise<number> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
}

export const tcp =
  (change: (transport: Transport) => Transport = (transport) => transport): MakeTransport =>
  () => ({
    transport: () => change(new NetTransport()),
    transportAt: (url) => change(new NetTransport(Number(url.split(":").at(-1)))),
    stalled: stalledListener,
    openHandles: openSockets,
  });

interface PolledMutation {
  readonly socket?: (socket: PolledSocket) => Partial<PolledSocket>;
  readonly transport?: (transport: Transport) => Partial<Transport>;
}

/** Datagrams in memory behind descriptors, which nobody but `receive` takes out of a buffer. */
export function polled(mutation: PolledMutation = {}): MakeTransport {
  return () => {
    const network = new MemoryNetwork();
    const make = (url: string): PolledTransport => polledTransport(network, network.transport(url), mutation);
    return {
      transport: () => make("udp://10.0.0.1:0"),
      transportAt: make,
      openHandles: () => network.openTransports,
    };
  };
}

let lastDescriptor = 2;

function polledTransport(
  network: MemoryNetwork,
  inner: Transport,
  { socket: changeSocket, transport: change }: PolledMutation,
): PolledTransport {
  const buffered: (() => void)[] = [];
  const fd = ++lastDescriptor;
  let isOpen = false;
  const socket: PolledSocket = {
    fd,
    receive(max) {
      network.deliver();
      const taken = buffered.splice(0, max);
      for (const handOver of taken) handOver();
      return taken.length;
    },
    wantsWrite: false,
    writable: () => undefined,
  };
  const offered = changeSocket === undefined ? socket : intercept(socket, changeSocket(socket));
  const own: Partial<PolledTransport> = {
    open(sink, addresses) {
      const buffering: Partial<TransportSink> = {
        message: (from, bytes) => void buffered.push(() => sink.message(from, bytes)),
      };
      void inner.open(intercept(sink, buffering), addresses);
      isOpen = true;
    },
    close() {
      isOpen = false;
      void inner.close();
    },
    get sockets() {
      return isOpen ? [offered] : [];
    },
  };
  const sound = new Proxy(intercept(inner as PolledTransport, own), {
    has: (target, name) => name === "sockets" || name in target,
  });
  return change === undefined ? sound : intercept(sound, change(sound) as Partial<PolledTransport>);
}

/** Changes what a transport does. */
export const doing =
  (instead: (transport: Transport) => Partial<Transport>) =>
  (transport: Transport): Transport =>
    intercept(transport, instead(transport));

/** Changes what a transport tells. */
export const telling = (instead: (sink: TransportSink, addresses: AddressTable) => Partial<TransportSink>) =>
  doing((transport) => ({
    open: (sink, addresses) => transport.open(intercept(sink, instead(sink, addresses)), addresses),
  }));

/** Counts calls, over all transports of a mutant. */
export function everyNth(n: number): () => boolean {
  let calls = 0;
  return () => ++calls % n === 0;
}

/** Addresses of nobody's. */
export const otherTable = new AddressTable();
