/** A TCP transport, what it tells, and raw sockets to try it with. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import {
  type Address,
  type AddressKind,
  AddressTable,
  copyBytes,
  type Path,
  type SendFailure,
  type SendOutcome,
  type TransportSink,
} from "@kad/core";
import { type TcpOptions, type TcpTransport, tcp } from "../src/index.ts";

interface Heard {
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
  /** Called for each message, before it is kept. */
  onMessage: ((from: Path, bytes: Uint8Array) => void) | undefined;
  #waiting: { isDone: () => boolean; resolve: () => void }[] = [];

  message(from: Path, bytes: Uint8Array): void {
    this.onMessage?.(from, bytes);
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

export interface Endpoint {
  readonly transport: TcpTransport;
  readonly sink: RecordingSink;
  readonly addresses: AddressTable;
  /** Where it listens. */
  readonly url: string;
  /** Sends to a URL, and flushes. */
  send(to: string, bytes: Uint8Array, tag?: number): SendOutcome;
  /** Sends back where something came from, and flushes. */
  reply(path: Path, bytes: Uint8Array, tag?: number): SendOutcome;
}

const opened: TcpTransport[] = [];
const raw: (Socket | Server)[] = [];

export async function openTcp(options: TcpOptions = { listen: "tcp://127.0.0.1:0" }): Promise<Endpoint> {
  const endpoint = endpointOf(tcp(options));
  await endpoint.transport.open(endpoint.sink, endpoint.addresses);
  return endpoint;
}

export function endpointOf(transport: TcpTransport): Endpoint {
  opened.push(transport);
  const addresses = new AddressTable();
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

/** A socket of no library, connected to where an endpoint listens. */
export async function rawSocket({ url, addresses }: Endpoint): Promise<Socket> {
  const { host, port } = addresses.parse(url);
  const socket = connect({ host, port, noDelay: true });
  raw.push(socket);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** A server of no library; what it accepts is closed at the end. */
export async function rawServer(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    raw.push(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  raw.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as { readonly port: number };
  return `tcp://127.0.0.1:${address.port}`;
}

/** For `afterEach`. */
export async function closeOpened(): Promise<void> {
  for (const one of raw.splice(0)) {
    if ("destroy" in one) one.destroy();
    else one.close();
  }
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
}

/** Bytes that tell which message they are. */
export function numbered(number: number, length = 8): Uint8Array {
  return new Uint8Array(length).fill(number);
}

/** Sockets that are open; a handle that was closed leaves the list in the loop's next iterations. */
export async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process
    .getActiveResourcesInfo()
    .filter((name) => name.startsWith("TCP"))
    .sort();
}
