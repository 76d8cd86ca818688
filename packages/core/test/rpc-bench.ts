/**
 * The requests of one node on a virtual clock, with a wire that only remembers what was written.
 */
import type { Address } from "../src/address.ts";
import type { Seed } from "../src/contact.ts";
import { MessageWriter, type MessageWriterOptions } from "../src/message-writer.ts";
import type { NodeId } from "../src/node-id.ts";
import { type NodeLimits, resolveLimits } from "../src/options.ts";
import { PeerHistory } from "../src/peer-history.ts";
import type { PendingRequest, RequestOwner } from "../src/pending-request.ts";
import type { Protocol, Request, RequestMessage, Response, ResponseMessage } from "../src/protocol.ts";
import { RandomSource } from "../src/random-source.ts";
import { type ResponseOutcome, Rpc } from "../src/rpc.ts";
import { TimerQueue } from "../src/timers.ts";
import { randomFrom } from "./model-network.ts";
import { tinyAddress, tinyId } from "./tiny-id.ts";

/** A message that has left. */
export interface Sent {
  readonly to: string;
  readonly tag: number;
  readonly message: RequestMessage;
  readonly atMs: number;
}

export interface BenchOptions {
  readonly limits?: Partial<NodeLimits>;
  /** By default seeded. */
  readonly random?: { fill(into: Uint8Array): void };
  readonly dialable?: number;
  readonly own?: readonly string[];
  /** Longest body of an application message to this address, in bytes. */
  readonly roomOf?: (address: Address) => number;
}

const quietLimits: Partial<NodeLimits> = {
  softTimeoutMinMs: 100,
  softTimeoutFirstMs: 1_000,
  softTimeoutMaxMs: 2_000,
  softTimeoutJitterMs: 0,
  hardTimeoutMs: 10_000,
  nextAddressDelayMs: 250,
  retries: 2,
};

export function addressOn(key: string, link: number): Address {
  return { ...tinyAddress(key), link };
}

export class RpcBench {
  nowMs = 0;
  readonly limits: NodeLimits;
  readonly timers = new TimerQueue();
  readonly history: PeerHistory;
  readonly rpc: Rpc;
  readonly sent: Sent[] = [];
  /** What owners and the observer were told: `slow a`, `answered a`, `noAnswer a`, … with the request's first address. */
  readonly told: string[] = [];
  readonly #scratch = new Uint8Array(64);
  #written: RequestMessage | undefined = undefined;

  constructor({ limits = {}, random, dialable = 1, own = [], roomOf = () => 100 }: BenchOptions = {}) {
    this.limits = resolveLimits({ ...quietLimits, ...limits });
    this.history = new PeerHistory(this.limits);
    const next = randomFrom(1);
    const seeded = {
      fill: (into: Uint8Array): void => {
        for (let i = 0; i < into.length; i++) into[i] = Math.floor(next() * 256);
      },
    };
    this.rpc = new Rpc({
      limits: this.limits,
      timers: this.timers,
      history: this.history,
      writer: new RoomyWriter(
        {
          protocol: this.#protocol(),
          id: tinyId(255),
          isClient: false,
          padRequests: false,
          addresses: { dialable },
        },
        roomOf,
      ),
      random: new RandomSource(random ?? seeded, { report: () => undefined }),
      neighbours: {
        onOverdue: (_nowMs, request) => this.#tell("silent", request),
        onUnreachable: (_nowMs, _request, { key }) => this.told.push(`unreachable ${key}`),
        onTimedOut: (_nowMs, request) => this.#tell("timedOut", request),
      },
      addresses: { dialable },
      own: { has: ({ key }) => own.includes(key) },
    });
  }

  readonly owner: RequestOwner = {
    queryId: 7,
    onResponse: (_nowMs, request) => this.#tell("answered", request),
    onSlow: (_nowMs, request) => this.#tell("slow", request),
    onOverdue: (_nowMs, request) => this.#tell("overdue", request),
    onFailure: (_nowMs, request, reason) => this.#tell(reason, request),
  };

  /** Told of everything since the last call. */
  takeTold(): string[] {
    return this.told.splice(0);
  }

  /** Begins a request and writes its first message. */
  ask(to: Seed | string, body: Request = { type: "ping" }): PendingRequest {
    const seed = typeof to === "string" ? { id: tinyId(1), addresses: [tinyAddress(to)] } : to;
    const request = this.rpc.create(seed, body, this.owner);
    this.write(() => this.rpc.begin(this.nowMs, request, this.#scratch));
    return request;
  }

  enqueue(to: Seed | string, body: Request = { type: "ping" }): PendingRequest {
    const seed = typeof to === "string" ? { id: tinyId(1), addresses: [tinyAddress(to)] } : to;
    const request = this.rpc.create(seed, body, this.owner);
    this.rpc.enqueue(request);
    return request;
  }

  /** Notes what was written, if anything was. */
  write(
    poll: () => { readonly path: { readonly remote: Address }; readonly tag: number } | undefined,
  ): boolean {
    const transmit = poll();
    if (transmit === undefined) return false;
    const message = this.#written as RequestMessage;
    this.sent.push({ to: transmit.path.remote.key, tag: transmit.tag, message, atMs: this.nowMs });
    return true;
  }

  /** Sends all that waits. */
  poll(): void {
    while (this.write(() => this.rpc.pollTransmit(this.nowMs, this.#scratch))) {}
  }

  /** Lets time pass, deadline by deadline, and sends what comes due. */
  pass(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.poll();
      const next = this.timers.earliest;
      if (next === undefined || next.atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.timers.run(this.nowMs);
    }
    this.nowMs = endMs;
  }

  last(): Sent {
    return this.sent.at(-1) as Sent;
  }

  /** Answers a message that was sent; as the node does, the owner hears of it. */
  answer(
    sent: Sent,
    body: Response = { type: "pong" },
    from: { readonly remote?: Address; readonly peer?: NodeId } = {},
  ): ResponseOutcome {
    const path = { remote: tinyAddress(sent.to), dialable: true, ...from };
    const outcome = this.rpc.onResponse(this.nowMs, responseOf(sent, body), path);
    if (outcome.type === "answered") {
      outcome.request.owner?.onResponse(this.nowMs, outcome.request, responseOf(sent, body), path);
    }
    return outcome;
  }

  /** Nothing is left behind. */
  isIdle(): boolean {
    const { inFlight, pending, queued } = this.rpc;
    return inFlight === 0 && pending === 0 && queued === 0 && this.timers.size === 0;
  }

  #tell(what: string, { to }: PendingRequest): void {
    this.told.push(`${what} ${to.addresses[0]?.key}`);
  }

  #protocol(): Protocol {
    return {
      name: "on paper",
      idBytes: 1,
      requests: new Set(["ping", "findNode", "getValue", "putValue", "application"]),
      decode: () => ({ kind: "malformed", reason: "tooShort" }),
      encode: (message, _into, room) => {
        if (message.kind !== "request" || room < 1) return undefined;
        this.#written = { ...message, requestId: { ...message.requestId } };
        return 1;
      },
    };
  }
}

/** Refuses bodies that an address cannot take, whatever else there is. */
class RoomyWriter extends MessageWriter {
  readonly #roomOf: (address: Address) => number;

  constructor(options: MessageWriterOptions, roomOf: (address: Address) => number) {
    super(options);
    this.#roomOf = roomOf;
  }

  override request(...args: Parameters<MessageWriter["request"]>): number | undefined {
    const [to, , body] = args;
    if (body.type === "application" && body.body.length > this.#roomOf(to)) return undefined;
    return super.request(...args);
  }
}

function responseOf({ message }: Sent, body: Response): ResponseMessage {
  return {
    kind: "response",
    requestId: message.requestId,
    sender: tinyId(1),
    client: false,
    addresses: [],
    body,
  };
}
