/** Posix transports with a sink that keeps what they say, read without Node's loop. */
import { readdirSync } from "node:fs";
import { type Address, AddressTable, type SendOutcome } from "@kad/core";
import { UnavailableError } from "@kad/native";
import { PosixUdpTransport } from "../../src/posix/posix-udp.ts";
import { type SocketCalls, socketCalls } from "../../src/posix/socket-calls.ts";
import type { UdpOptions } from "../../src/udp-options.ts";
import { RecordingSink } from "../recording-sink.ts";

/** Why they cannot be tried here; `undefined`: they can. */
export const whyNot: string | undefined = missing();

function missing(): string | undefined {
  try {
    socketCalls();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

/** For titles. */
export const note: string = whyNot === undefined ? "" : `, skipped: ${whyNot}`;

export interface PosixEndpoint {
  readonly transport: PosixUdpTransport;
  readonly sink: RecordingSink;
  readonly addresses: AddressTable;
  send(to: string, bytes: Uint8Array, tag?: number, local?: Address): SendOutcome;
  /** Reads until so many messages have come, or for a second. */
  read(messages: number): void;
  url(index?: number): string;
}

const opened: PosixUdpTransport[] = [];

export function endpoint(
  options: UdpOptions = { listen: "udp://127.0.0.1:0" },
  calls: SocketCalls = socketCalls(),
): PosixEndpoint {
  const transport = new PosixUdpTransport(options, calls);
  opened.push(transport);
  const sink = new RecordingSink();
  const addresses = new AddressTable();
  return {
    transport,
    sink,
    addresses,
    send(to, bytes, tag = 1, local) {
      const path = { remote: addresses.parse(to), dialable: true, ...(local !== undefined && { local }) };
      return transport.send({ path, peer: undefined, length: bytes.length, tag }, bytes);
    },
    read(messages) {
      const untilMs = performance.now() + 1_000;
      while (sink.messages.length < messages && performance.now() < untilMs) {
        for (const socket of transport.sockets) socket.receive(256);
      }
    },
    url: (index = 0) => transport.localAddresses[index]?.key ?? "none",
  };
}

export function open(options?: UdpOptions, calls?: SocketCalls): PosixEndpoint {
  const all = endpoint(options, calls);
  all.transport.open(all.sink, all.addresses);
  return all;
}

/** For `afterEach`. */
export function closeOpened(): void {
  for (const transport of opened.splice(0)) transport.close();
}

/** Of this process. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Calls of which the first `times` fail as the system would let them. */
export function failing(
  name: "sendmmsg" | "recvmmsg" | "sendto" | "recvfrom",
  errno: number,
  times: number,
): { readonly calls: SocketCalls; stop(): void } {
  const calls = socketCalls();
  const { koffi } = calls.native;
  const real = calls[name];
  let left = times;
  const call: NonNullable<typeof real> = (...args) => {
    if (left-- <= 0 && real !== undefined) return real(...args);
    (koffi as unknown as { errno(value: number): void }).errno(errno);
    return -1;
  };
  return {
    calls: { ...calls, [name]: call },
    stop() {
      left = 0;
    },
  };
}

/** As on macOS, which has no batches. */
export function withoutBatches(): SocketCalls {
  return { ...socketCalls(), sendmmsg: undefined, recvmmsg: undefined };
}
