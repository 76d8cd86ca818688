/**
 * Takes in what has arrived: reads it, drops what cannot be or may not be, and hands requests to those who answer and
 * responses to those who asked. Remote bytes never throw here: they become a counter and, where an honest peer would not
 * do it, a misbehaviour.
 */
import type { Counters } from "./counters.ts";
import type { RemoteErrorCode } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { Neighbours } from "./neighbours.ts";
import type { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import type { Malformed, MalformedReason, Protocol, RequestMessage, ResponseMessage } from "./protocol.ts";
import type { Responder } from "./responder.ts";
import type { Rpc } from "./rpc.ts";

export interface ReceiverOptions {
  /** Our own id: nobody else has it. */
  readonly id: NodeId;
  readonly protocol: Protocol;
  readonly counters: Counters;
  readonly health: NetworkHealth;
  readonly rpc: Rpc;
  readonly responder: Responder;
  readonly neighbours: Neighbours;
  onMisbehaved(from: Path, code: RemoteErrorCode): void;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** `bytes` is borrowed. */
  onMessage(nowMs: InstantMs, from: Path, bytes: Uint8Array): void {
    const { id, protocol, counters, health } = this.#options;
    if (this.#closed) {
      counters.dropped.add("closed");
      return;
    }
    counters.messagesReceived++;
    counters.bytesReceived += bytes.length;
    health.onInput(nowMs);
    const message = protocol.decode(bytes);
    if (message.kind === "malformed") this.#onMalformed(nowMs, message, from, bytes.length);
    else if (message.sender.key === id.key) this.#dropSender(from, "ownId");
    else if (from.peer !== undefined && !from.peer.equals(message.sender))
      this.#dropSender(from, "wrongSender");
    else if (message.kind === "request") this.#onRequest(nowMs, message, from, bytes.length);
    else this.#onResponse(nowMs, message, from);
  }

  /** What arrives from now on is only counted. */
  close(): void {
    this.#closed = true;
  }

  #onMalformed(nowMs: InstantMs, { reason, requestId }: Malformed, from: Path, bytes: number): void {
    const { responder } = this.#options;
    this.#options.counters.dropped.add(reason);
    if (isFault(reason)) this.#options.onMisbehaved(from, "malformed");
    if (requestId === undefined || !responder.admit(nowMs, from)) return;
    responder.refuse(requestId, from, reason === "unknownRequest" ? "unsupported" : "malformed", bytes);
  }

  #dropSender(from: Path, reason: "ownId" | "wrongSender"): void {
    this.#options.counters.dropped.add(reason);
    this.#options.onMisbehaved(from, reason);
  }

  #onRequest(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    const { responder, neighbours } = this.#options;
    if (!responder.admit(nowMs, from)) return;
    this.#options.counters.requestsReceived++;
    responder.onRequest(nowMs, message, from, bytes);
    neighbours.onAsked(nowMs, message, from, bytes);
  }

  #onResponse(nowMs: InstantMs, message: ResponseMessage, from: Path): void {
    const { rpc, neighbours } = this.#options;
    const outcome = rpc.onResponse(nowMs, message, from);
    if (outcome.type === "dropped") {
      this.#options.counters.dropped.add(outcome.reason);
      if (outcome.reason === "wrongSource" || outcome.reason === "wrongType")
        this.#options.onMisbehaved(from, "unexpectedResponse");
      return;
    }
    this.#options.counters.responsesReceived++;
    const { request } = outcome;
    const expected = request.to.id;
    if (expected !== undefined && !expected.equals(message.sender)) {
      neighbours.onReplaced(nowMs, request, message, from);
      return;
    }
    neighbours.onAnswered(nowMs, request, message, from);
    request.owner?.onResponse(nowMs, request, message, from);
  }
}

/** Another version, or a kind that a later one may have, is no misbehaviour. */
function isFault(reason: MalformedReason): boolean {
  return reason !== "wrongVersion" && reason !== "unknownRequest" && reason !== "unknownResponse";
}
