/** A transport, what it tells, and sockets of no transport to try it with. */
import { createHook } from "node:async_hooks";
import { once } from "node:events";
import type { Socket } from "node:net";
import {
  type Address,
  type AddressKind,
  AddressTable,
  type ConnectionStats,
  copyBytes,
  type Path,
  type SendFailure,
  type SendOutcome,
  type Transport,
  type TransportSink,
} from "@kad/core";
import { type ClientOptions, WebSocket } from "ws";

export interface Heard {
  readonly from: Path;
  readonly bytes: Uint8Array;
  /** Whether what came was a plain `Uint8Array`. */
  readonly isPlain: boolean;
}

class RecordingSink implements TransportSink {
  readonly messages: Heard[] = [];
  readonly deferrals: number[] = [];
  readonly sents: number[] = [];
  readonly failures: { to: string; tag: number | undefined; reason: SendFailure }[] = [];
  readonly flows: { kind: AddressKind; open: boolean }[] = [];
  readonly reports: unknown[] = [];
  /** Called in place of keeping the message. */
  onMessage: ((from: Path, bytes: Uint8Array) => void) | undefined;
  #waiting: { isDone: () => boolean; resolve: () => void }[] = [];

  message(from: Path, bytes: Uint8Array): void {
    if (this.onMessage !== undefined) {
      this.onMessage(from, bytes);
      return;
    }
    this.messages.push({ from, bytes: copyBytes(bytes), isPlain: bytes.constructor === Uint8Array });
    this.#check();
  }
  deferred(tag: number): void {
    this.deferrals.push(tag);
  }
  sent(tag: number): void {
    this.sents.push(tag);
    this.#check();
  }
  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void {
    this.failures.push({ to: to.key, tag, reason });
    this.#check();
  }
  flow(kind: AddressKind, open: boolean): void {
    this.flows.push({ kind, open });
    this.#check();
  }
  addressesChanged(): void {}
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

/** What all transports of streams have. */
export interface StreamTransport extends Transport {
  readonly stats: ConnectionStats | undefined;
}

export interface Endpoint<T extends StreamTransport = StreamTransport> {
  readonly transport: T;
  readonly sink: RecordingSink;
  readonly addresses: AddressTable;
  /** Where it listens. */
  readonly url: string;
  /** Sends to a URL, and flushes. */
  send(to: string, bytes: Uint8Array, tag?: number): SendOutcome;
  /** Sends back where something came from, and flushes. */
  reply(path: Path, bytes: Uint8Array, tag?: number): SendOutcome;
}

const opened: Transport[] = [];
const clients: { destroy(): void }[] = [];

export async function open<T extends StreamTransport>(
  transport: T,
  addresses?: AddressTable,
): Promise<Endpoint<T>> {
  const endpoint = endpointOf(transport, addresses);
  await transport.open(endpoint.sink, endpoint.addresses);
  return endpoint;
}

export function endpointOf<T extends StreamTransport>(
  transport: T,
  addresses: AddressTable = new AddressTable(),
): Endpoint<T> {
  opened.push(transport);
  const reply = (path: Path, bytes: Uint8Array, tag = 1): SendOutcome => {
    const scratch = Uint8Array.from(bytes);
    const outcome = transport.send({ path, peer: undefined, length: bytes.length, tag }, scratch);
    scratch.fill(0xaa);
    transport.flush();
    return outcome;
  };
  return {
    transport,
    sink: new RecordingSink(),
    addresses,
    get url() {
      return transport.localAddresses[0]?.key ?? "none";
    },
    send: (to, bytes, tag) => reply({ remote: addresses.parse(to), dialable: true }, bytes, tag),
    reply,
  };
}

export async function heard({ sink }: Endpoint, count = 1): Promise<Heard[]> {
  await sink.until(() => sink.messages.length >= count);
  return sink.messages.splice(0, count);
}

/** A WebSocket of no transport. */
export async function rawClient(url: string, options: ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, options);
  clients.push({ destroy: () => socket.terminate() });
  socket.on("error", () => undefined);
  await once(socket, "open");
  return socket;
}

/** Its code and reason. */
export function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

/** Closed at the end of the test. */
export function keep<T extends { destroy(): void }>(socket: T): T {
  clients.push(socket);
  return socket;
}

export function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.resume().once("close", () => resolve());
  });
}

/** For `afterEach`. */
export async function closeOpened(): Promise<void> {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(opened.splice(0).map(async (transport) => await transport.close()));
}

/** Bytes that tell which message they are. */
export function numbered(number: number, length = 8): Uint8Array {
  return new Uint8Array(length).fill(number);
}

/** Timers that code of ours has set, those too that do not keep the process alive, until they are cleared or have fired. */
export class OwnTimers {
  readonly #set = new Map<number, string>();
  readonly #hook = createHook({
    init: (id, type) => {
      if (type !== "Timeout") return;
      const stack = new Error().stack ?? "";
      if (/\/(core|transport-[a-z]+)\/src\//.test(stack)) this.#set.set(id, stack);
    },
    destroy: (id) => void this.#set.delete(id),
  });

  start(): void {
    this.#set.clear();
    this.#hook.enable();
  }

  /** Where those were set that are still there. */
  left(): string[] {
    return [...this.#set.values()];
  }

  stop(): void {
    this.#hook.disable();
  }
}

/** What keeps the process alive; a handle that was closed leaves the list in the loop's next iterations. */
export async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process
    .getActiveResourcesInfo()
    .filter((name) => /^(TCP|TLS)/.test(name))
    .sort();
}
