/**
 * Connections on sockets that a test plays: it says when a dial succeeds, what the system takes, and what time it is.
 */
import {
  type Address,
  AddressTable,
  type CloseReason,
  type Connection,
  type ConnectionLimits,
  type ConnectionSocket,
  Connections,
  type ConnectionsOptions,
  type Path,
  resolveConnectionLimits,
  type SendOutcome,
  type TransportSink,
} from "../src/index.ts";

/** Takes everything at once, unless `isStuck`. */
export class PlayedSocket implements ConnectionSocket {
  readonly messages: string[] = [];
  readonly calls: string[] = [];
  isAnswered = false;
  isStuck = false;
  connection!: Connection;
  #gathered: Uint8Array[] = [];
  #held = 0;

  get bufferedBytes(): number {
    return this.#held + this.#gathered.reduce((sum, { length }) => sum + length, 0);
  }

  send(bytes: Uint8Array): void {
    this.#gathered.push(Uint8Array.from(bytes));
  }

  flush(): void {
    this.calls.push(`flush ${this.#gathered.length}`);
    for (const bytes of this.#gathered.splice(0)) {
      this.messages.push(text(bytes));
      if (this.isStuck) this.#held += bytes.length;
    }
  }

  /** The system takes so many bytes of what it did not take at first. */
  take(bytes: number): void {
    this.#held = Math.max(0, this.#held - bytes);
  }

  keepAlive(): void {
    this.calls.push("keepAlive");
  }

  end(reason: CloseReason): void {
    this.calls.push(`end ${reason}`);
  }

  destroy(reason: CloseReason): void {
    this.calls.push(`destroy ${reason}`);
  }
}

/** A message as a test reads it: its first byte, and its length where that is not 1. */
function text(bytes: Uint8Array): string {
  return bytes.length === 1 ? `${bytes[0]}` : `${bytes[0]}×${bytes.length}`;
}

export function message(number: number, length = 1): Uint8Array {
  return new Uint8Array(length).fill(number);
}

export class ConnectionStage {
  nowMs = 1_000_000;
  readonly addresses = new AddressTable();
  readonly connections: Connections;
  /** Those that were dialled, in order. */
  readonly dials: PlayedSocket[] = [];
  /** What reached the sink, in order. */
  readonly told: string[] = [];
  dialFails = false;
  nextIsStuck = false;

  constructor(limits: Partial<ConnectionLimits> = {}, options: Partial<ConnectionsOptions> = {}) {
    this.addresses.setLink("tcp4", { link: 1, maxBytes: 1_000 });
    this.connections = new Connections({
      limits: resolveConnectionLimits(limits),
      maxBytes: 1_000,
      source: (address) => this.addresses.source(address),
      dial: (connection) => {
        if (this.dialFails) throw new Error("no such address");
        const socket = new PlayedSocket();
        socket.isStuck = this.nextIsStuck;
        socket.connection = connection;
        this.dials.push(socket);
        return socket;
      },
      ...options,
    });
    this.connections.open(this.#sink());
  }

  at(text: string): Address {
    return this.addresses.parse(text);
  }

  /** Sends to an address that can be dialled, by its last number. */
  send(host: number, bytes: Uint8Array, tag = 1): SendOutcome {
    return this.sendOn({ remote: this.at(`tcp://10.0.0.${host}:4100`), dialable: true }, bytes, tag);
  }

  sendOn(path: Path, bytes: Uint8Array, tag = 1): SendOutcome {
    const borrowed = Uint8Array.from(bytes);
    const transmit = { path, peer: undefined, length: bytes.length, tag };
    const outcome = this.connections.send(this.nowMs, transmit, borrowed);
    borrowed.fill(0xaa);
    return outcome;
  }

  /** What ends a connection, perhaps with a last word. */
  sendLast(path: Path, bytes: Uint8Array): SendOutcome {
    const transmit = { path, peer: undefined, length: bytes.length, tag: 0, closes: true } as const;
    return this.connections.send(this.nowMs, transmit, bytes);
  }

  flush(): void {
    this.connections.flush(this.nowMs);
  }

  /** A dialled connection that is open. */
  open(host: number): PlayedSocket {
    this.send(host, message(0), 0);
    const socket = this.dials.at(-1) as PlayedSocket;
    this.connections.opened(this.nowMs, socket.connection);
    socket.messages.length = 0;
    socket.calls.length = 0;
    return socket;
  }

  accept(address: string): PlayedSocket | undefined {
    const socket = new PlayedSocket();
    socket.isStuck = this.nextIsStuck;
    const connection = this.connections.accept(this.nowMs, this.at(address), socket);
    if (connection === undefined) return undefined;
    socket.connection = connection;
    return socket;
  }

  /** A chunk has come with so many whole messages in it, and so much of another. */
  hear(socket: PlayedSocket, messages: number, heldBytes?: number): void {
    for (let i = 0; i < messages; i++) this.connections.received(socket.connection, message(i));
    this.connections.heard(this.nowMs, socket.connection, messages, heldBytes);
  }

  /** Lets time pass as a loop would: to each deadline in turn. */
  pass(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (;;) {
      const nextMs = this.connections.nextDeadlineMs;
      if (nextMs === undefined || nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.connections.handleTimeout(this.nowMs);
    }
    this.nowMs = endMs;
  }

  #sink(): TransportSink {
    const say = (...words: readonly unknown[]): void => void this.told.push(words.join(" "));
    return {
      message: (from, bytes) =>
        say("message", from.remote.key, from.dialable ? "dialable" : "accepted", text(bytes)),
      deferred: (tag) => say("deferred", tag),
      sent: (tag) => say("sent", tag),
      sendFailed: (to, tag, reason) => say("failed", to.key, tag ?? "path", reason),
      flow: (kind, open) => say("flow", kind, open),
      addressesChanged: () => say("addressesChanged"),
      report: (error) => say("report", error),
    };
  }
}
