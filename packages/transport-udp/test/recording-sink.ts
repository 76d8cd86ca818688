/** A sink that keeps what a transport says, and lets a test wait for it. */
import {
  type Address,
  type AddressKind,
  AddressTable,
  copyBytes,
  type Path,
  type SendFailure,
  type SendOutcome,
  type Transmit,
  type TransportSink,
} from "@kad/core";
import { type UdpOptions, type UdpTransport, udp } from "../src/index.ts";

interface Heard {
  readonly from: Path;
  readonly bytes: Uint8Array;
  /** Whether what came was a plain `Uint8Array`. */
  readonly isPlain: boolean;
}

export class RecordingSink implements TransportSink {
  readonly messages: Heard[] = [];
  readonly failures: { to: string; tag: number | undefined; reason: SendFailure }[] = [];
  readonly flows: { kind: AddressKind; open: boolean }[] = [];
  readonly reports: unknown[] = [];
  addressChanges = 0;
  /** Runs inside `message`. */
  onMessage: ((bytes: Uint8Array) => void) | undefined;
  #waiting: { isDone: () => boolean; resolve: () => void }[] = [];

  message(from: Path, bytes: Uint8Array): void {
    this.messages.push({ from, bytes: copyBytes(bytes), isPlain: bytes.constructor === Uint8Array });
    try {
      this.onMessage?.(bytes);
    } finally {
      this.#check();
    }
  }
  deferred(): void {}
  sent(): void {}
  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void {
    this.failures.push({ to: to.key, tag, reason });
    this.#check();
  }
  flow(kind: AddressKind, open: boolean): void {
    this.flows.push({ kind, open });
    this.#check();
  }
  addressesChanged(): void {
    this.addressChanges++;
  }
  report(error: unknown): void {
    this.reports.push(error);
  }

  /** Resolves when `isDone` says so, which is asked after each report. */
  until(isDone: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ isDone, resolve });
      this.#check();
    });
  }

  #check(): void {
    const done = this.#waiting.filter(({ isDone }) => isDone());
    this.#waiting = this.#waiting.filter((waiting) => !done.includes(waiting));
    for (const { resolve } of done) resolve();
  }
}

export interface Endpoint {
  readonly transport: UdpTransport;
  readonly sink: RecordingSink;
  readonly addresses: AddressTable;
  /** Sends to a URL. */
  send(to: string, bytes: Uint8Array, tag?: number, local?: Address): SendOutcome;
}

const opened: UdpTransport[] = [];

export async function openUdp(options: UdpOptions = { listen: "udp://127.0.0.1:0" }): Promise<Endpoint> {
  const endpoint = endpointOf(udp(options));
  await endpoint.transport.open(endpoint.sink, endpoint.addresses);
  return endpoint;
}

export function endpointOf(transport: UdpTransport, addresses: AddressTable = new AddressTable()): Endpoint {
  opened.push(transport);
  const send = (to: string, bytes: Uint8Array, tag = 1, local?: Address): SendOutcome => {
    const path: Path = {
      remote: addresses.parse(to),
      dialable: true,
      ...(local === undefined ? {} : { local }),
    };
    const transmit: Transmit = { path, peer: undefined, length: bytes.length, tag };
    return transport.send(transmit, bytes);
  };
  return { transport, sink: new RecordingSink(), addresses, send };
}

/** For `afterEach`. */
export async function closeOpened(): Promise<void> {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
}

export function urlOf(endpoint: Endpoint, index = 0): string {
  return endpoint.transport.localAddresses[index]?.key ?? "none";
}

/** Sockets that keep the process alive; a handle that was closed leaves the list in the loop's next iteration. */
export async function openSockets(): Promise<number> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length;
}
