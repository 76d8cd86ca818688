/**
 * Requests and their answers: ids, deadlines, retransmission, the next address of a peer, matching.
 *
 * Kademlia §2.3 only says that a request has a random id which the reply echoes. Two separate instants follow
 * libtorrent and dht-rpc: a *soft* timeout frees the slot (and sends the request again), a *hard* one gives up. Every
 * sending is an attempt with an id of its own, so a late answer is known for what it is, and its round trip is exact.
 */
import type { Address } from "./address.ts";
import type { Seed } from "./contact.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { LeanMap } from "./lean-map.ts";
import { Links, type LinksOptions } from "./links.ts";
import type { InstantMs, Path, SendFailure, Transmit } from "./machine.ts";
import type { MessageWriter } from "./message-writer.ts";
import type { NodeLimits } from "./options.ts";
import type { PeerHistory } from "./peer-history.ts";
import { type Attempt, PendingRequest, type RequestKeeper, type RequestOwner } from "./pending-request.ts";
import type { Request, RequestType, ResponseMessage, ResponseType } from "./protocol.ts";
import type { FailureReason } from "./query-end.ts";
import type { RandomSource } from "./random-source.ts";
import { nextRequestId } from "./request-ids.ts";
import { Ring } from "./ring.ts";
import type { DropReason } from "./stats.ts";
import { Timer, type TimerQueue } from "./timers.ts";

/** What the node learns of peers from their requests, whoever owns those. */
export interface RpcObserver {
  onOverdue(nowMs: InstantMs, request: PendingRequest): void;
  onUnreachable(nowMs: InstantMs, request: PendingRequest, address: Address): void;
  onTimedOut(nowMs: InstantMs, request: PendingRequest): void;
}

/** What a response was: the end of a request, or a reason to drop it. */
export type ResponseOutcome =
  | { readonly type: "answered"; readonly request: PendingRequest; readonly address: Address }
  | { readonly type: "dropped"; readonly reason: DropReason };

const expectedResponse: Readonly<Record<RequestType, readonly ResponseType[]>> = {
  ping: ["pong"],
  findNode: ["nodes"],
  getValue: ["value", "nodes"],
  putValue: ["stored"],
  getProviders: ["providers"],
  addProvider: ["stored"],
  application: ["application"],
};

export interface RpcOptions extends LinksOptions {
  readonly limits: NodeLimits;
  readonly timers: TimerQueue;
  readonly history: PeerHistory;
  readonly writer: MessageWriter;
  /** Where there is no randomness nothing can be asked, for a request's id is its only secret. */
  readonly random: RandomSource;
  readonly neighbours: RpcObserver;
}

/**
 * Pauses of one soft timeout each, before they double. Loss is no sign of a crowd here, which the window is there for: so
 * three sendings take no longer than two with a pause that doubles at once.
 */
const evenPauses = 2;

/** That it comes due is all: the driver polls then. */
class WindowTurns extends Timer {
  override readonly reason = "sendWindow";

  override onDue(): void {}
}

export class Rpc implements RequestKeeper {
  readonly #options: RpcOptions;
  /** By the low half of the attempt's id, which is also its tag. */
  readonly #attempts = new LeanMap<number, Attempt>();
  readonly #toSend = new Ring<PendingRequest>();
  readonly #window: InFlightWindow;
  readonly #windowTurns: Timer = new WindowTurns();
  readonly #links: Links;
  #inFlight = 0;
  retransmissions = 0;
  requestsSent = 0;

  constructor(options: RpcOptions) {
    this.#options = options;
    this.#links = new Links(options);
    this.#window = new InFlightWindow(options.limits.inFlightWindowMs, options.limits.maxInFlightPerWindow);
  }

  /** Requests that somebody waits for and that are not overdue. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Attempts remembered for an answer, late ones included. */
  get pending(): number {
    return this.#attempts.size;
  }

  /** Attempts that wait to be sent. */
  get queued(): number {
    return this.#toSend.length;
  }

  /** Whether another request may be begun now; where time alone brings room, a timer makes sure of another poll. */
  hasRoom(nowMs: InstantMs): boolean {
    if (this.#inFlight >= this.#options.limits.maxInFlight || !this.#makeRoom(nowMs)) return false;
    const { free, freeAtMs } = this.#window.room(nowMs);
    if (!free && freeAtMs !== undefined) this.#options.timers.setEarlier(this.#windowTurns, freeAtMs);
    return free;
  }

  /** The addresses of a peer that we can dial. */
  reachable(addresses: readonly Address[]): readonly Address[] {
    return this.#links.reachable(addresses);
  }

  /** See {@link Links.isOpen}. */
  isOpen(addresses: readonly Address[]): boolean {
    return this.#links.isOpen(addresses);
  }

  setLink(link: number, open: boolean): void {
    this.#links.set(link, open);
  }

  create(
    to: Seed,
    body: Request,
    owner: RequestOwner,
    retries: number = this.#options.limits.retries,
  ): PendingRequest {
    const addresses = this.#links.reachable(to.addresses);
    return new PendingRequest(this, {
      to,
      addresses,
      body,
      owner,
      retries,
      maxBytes: Number.POSITIVE_INFINITY,
    });
  }

  /** A request that a stranger has caused: sent once, and no longer than `maxBytes`. */
  createOnce(to: Seed, body: Request, owner: RequestOwner, maxBytes: number): PendingRequest {
    const addresses = this.#links.reachable(to.addresses);
    return new PendingRequest(this, { to, addresses, body, owner, retries: 0, maxBytes });
  }

  /** Hands over a request that goes out with the next polls, before new ones. */
  enqueue(request: PendingRequest): void {
    if (request.queued) return;
    request.queued = true;
    this.#toSend.push(request);
  }

  /** Writes the first attempt of a new request; `undefined` when it has failed at once (its owner knows). */
  begin(nowMs: InstantMs, request: PendingRequest, into: Uint8Array): Transmit | undefined {
    request.state = "inFlight";
    request.beganAtMs = nowMs;
    request.hardAtMs = nowMs + this.#options.limits.hardTimeoutMs;
    this.#inFlight++;
    this.requestsSent++;
    return this.#attempt(nowMs, request, into);
  }

  /** Writes the next attempt that is due: retransmissions, next addresses, and enqueued requests. */
  pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    for (let tries = this.#toSend.length; tries > 0; tries--) {
      const request = this.#toSend.shift() as PendingRequest;
      request.queued = false;
      const fresh = request.state === "waiting";
      const hasRoom = fresh ? this.hasRoom(nowMs) : this.#makeRoom(nowMs);
      // Asked after room was made, since that may have ended this very request.
      if (request.state === "ended" || (!fresh && request.sendings >= request.maxSendings)) continue;
      if (!hasRoom || !this.isOpen(request.addresses)) {
        this.enqueue(request);
        continue;
      }
      if (request.sendings >= request.addresses.length) this.retransmissions++;
      const transmit = fresh ? this.begin(nowMs, request, into) : this.#attempt(nowMs, request, into);
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }

  /** Matches a response to its attempt. On `answered` the request has ended and its owner has not been told yet. */
  onResponse(nowMs: InstantMs, message: ResponseMessage, from: Path): ResponseOutcome {
    const attempt = this.#attempts.get(message.requestId.low);
    if (attempt === undefined || attempt.high !== message.requestId.high) return dropped("unknownResponse");
    const { request, address } = attempt;
    const isFromPeer =
      from.peer !== undefined && request.to.id !== undefined && from.peer.equals(request.to.id);
    if (!isFromPeer && from.remote.key !== address.key) return dropped("wrongSource");
    if (!fits(request.body.type, message.body.type)) return dropped("wrongType");
    this.#options.history.onAnswered(
      address.key,
      attempt.sentAtMs === undefined ? undefined : nowMs - attempt.sentAtMs,
    );
    this.#end(request);
    return { type: "answered", request, address };
  }

  onSent(nowMs: InstantMs, tag: number): void {
    const attempt = this.#attempts.get(tag);
    if (attempt === undefined) return;
    // Who holds a message back may send it more than once, in a handshake, and says so once: the answer then tells no time.
    if (attempt.sentAtMs !== undefined) attempt.sentAtMs = attempt.deferred ? undefined : nowMs;
    const { request } = attempt;
    const wasHeldBack = attempt.deferred && request.attempts.at(-1) === attempt;
    attempt.deferred = false;
    if (wasHeldBack && (request.state === "inFlight" || request.state === "slow"))
      this.#scheduleNext(nowMs, request, attempt);
  }

  /**
   * A layer below holds a message back for a handshake or a dial. Its soft timeout starts when it is sent; until then
   * nothing is sent again, but nobody waits for longer than two round trips should take.
   */
  onDeferred(nowMs: InstantMs, tag: number): void {
    const attempt = this.#attempts.get(tag);
    if (attempt === undefined) return;
    attempt.deferred = true;
    if (attempt.request.sendings >= attempt.request.addresses.length) this.#awaitSent(nowMs, attempt);
  }

  onSendFailed(nowMs: InstantMs, to: Address, tag: number | undefined, reason: SendFailure): void {
    if (tag !== undefined) {
      const attempt = this.#attempts.get(tag);
      if (attempt !== undefined) this.#failAttempt(nowMs, attempt, reason);
      return;
    }
    const onPath = [...this.#attempts.values()].filter((attempt) => attempt.address.key === to.key);
    for (const attempt of onPath) this.#failAttempt(nowMs, attempt, reason);
  }

  /**
   * The query has ended: its request no longer takes a slot, while an answer still teaches us about the peer, and so does
   * silence. One that has not left yet never does, and a message, which somebody has taken back, is not sent again.
   */
  detach(request: PendingRequest): void {
    if (request.owner === undefined || request.state === "ended") return;
    if (request.sendings === 0) {
      this.#end(request);
      return;
    }
    if (request.state !== "overdue") this.#inFlight--;
    request.owner = undefined;
    if (request.body.type === "application") request.maxSendings = request.sendings;
  }

  /**
   * The peer is known to be failing: the request takes no slot, no part of the send window, and nobody waits, though an
   * answer still counts. It goes once to each address. Where many are dead, their silence would else hold back the living.
   */
  expectNothing(nowMs: InstantMs, request: PendingRequest): void {
    if (request.state !== "inFlight" || request.owner === undefined) return;
    request.maxSendings = request.addresses.length;
    for (const attempt of request.attempts) this.#leaveWindow(attempt);
    this.#stopWaiting(nowMs, request);
  }

  /** Ends the request as failed. */
  fail(nowMs: InstantMs, request: PendingRequest, reason: FailureReason): void {
    if (request.state === "ended") return;
    const { owner } = request;
    this.#end(request);
    owner?.onFailure(nowMs, request, reason);
  }

  /** Forgets everything; owners are not told, for the node ends its queries itself. */
  close(): void {
    for (const { request } of this.#attempts.values()) this.#discard(request);
    for (let request = this.#toSend.shift(); request !== undefined; request = this.#toSend.shift())
      this.#discard(request);
    this.#options.timers.clear(this.#windowTurns);
    this.#attempts.clear();
    this.#inFlight = 0;
  }

  /** @internal called by the request's timer */
  onDue(nowMs: InstantMs, request: PendingRequest): void {
    if (nowMs >= request.hardAtMs) {
      if (request.sendings > 0) this.#overdue(nowMs, request);
      this.#options.neighbours.onTimedOut(nowMs, request);
      this.fail(nowMs, request, "noAnswer");
      return;
    }
    const { addresses, sendings } = request;
    const last = request.attempts.at(-1);
    request.nextAtMs = undefined;
    this.#arm(request);
    const isSentAgain = sendings < request.maxSendings;
    if (isSentAgain && sendings < addresses.length) this.enqueue(request);
    else if (last?.deferred) this.#onHeldBack(nowMs, request, last);
    else if (isSentAgain) {
      this.enqueue(request);
      this.#slow(nowMs, request);
    } else this.#overdue(nowMs, request);
  }

  #slow(nowMs: InstantMs, request: PendingRequest): void {
    if (request.state !== "inFlight") return;
    request.state = "slow";
    request.owner?.onSlow(nowMs, request);
  }

  /** The layer below has held it back for longer than a handshake should take: another may be asked; then nobody waits. */
  #onHeldBack(nowMs: InstantMs, request: PendingRequest, attempt: Attempt): void {
    if (request.state === "inFlight") {
      this.#awaitSent(nowMs, attempt);
      this.#slow(nowMs, request);
    } else this.#stopWaiting(nowMs, request);
  }

  /** Silence counts against the peer once, whether its last attempt is late or the hard timeout has come first. */
  #overdue(nowMs: InstantMs, request: PendingRequest): void {
    if (!request.isCounted) {
      request.isCounted = true;
      for (const address of request.addresses) {
        const isTried = request.attempts.some((attempt) => attempt.address === address);
        if (isTried) this.#options.history.onFailed(nowMs, address.key);
      }
      this.#options.neighbours.onOverdue(nowMs, request);
    }
    this.#stopWaiting(nowMs, request);
  }

  #stopWaiting(nowMs: InstantMs, request: PendingRequest): void {
    if (request.state === "overdue") return;
    if (request.owner !== undefined) this.#inFlight--;
    request.state = "overdue";
    request.owner?.onOverdue(nowMs, request);
  }

  /** An address that cannot take a message of this length is passed over; the request fails when none can. */
  #attempt(nowMs: InstantMs, request: PendingRequest, into: Uint8Array): Transmit | undefined {
    for (;;) {
      const address = this.#nextAddress(request);
      const attempt =
        address && (this.#reusable(request, address) ?? this.#newAttempt(nowMs, request, address));
      if (address === undefined || attempt === undefined) {
        this.fail(nowMs, request, "unreachable");
        return undefined;
      }
      const length = this.#options.writer.request(address, attempt, request.body, into, request.maxBytes);
      request.sendings++;
      if (length !== undefined) {
        attempt.window ??= this.#window.onSent(nowMs);
        this.#scheduleNext(nowMs, request, attempt);
        return { path: { remote: address, dialable: true }, peer: request.to.id, length, tag: attempt.low };
      }
      attempt.failed = true;
      this.#forget(attempt);
      if (request.sendings < request.addresses.length) continue;
      if (request.attempts.every(({ failed }) => failed)) this.fail(nowMs, request, "tooLarge");
      else this.#scheduleNext(nowMs, request, attempt);
      return undefined;
    }
  }

  /**
   * An application message keeps its id when it is sent again to the same address, so that the receiver can tell it from
   * a new one and deliver it once. Other requests may be answered twice at no harm.
   */
  #reusable(request: PendingRequest, address: Address): Attempt | undefined {
    if (request.body.type !== "application") return undefined;
    const attempt = request.attempts.find((other) => other.address === address && !other.failed);
    if (attempt !== undefined) attempt.sentAtMs = undefined;
    return attempt;
  }

  #newAttempt(nowMs: InstantMs, request: PendingRequest, address: Address): Attempt | undefined {
    const id = nextRequestId(this.#options.random, this.#attempts);
    if (id === undefined) return undefined;
    const { high, low } = id;
    const attempt: Attempt = {
      high,
      low,
      request,
      address,
      sentAtMs: nowMs,
      window: undefined,
      deferred: false,
      failed: false,
    };
    request.attempts.push(attempt);
    this.#attempts.set(low, attempt);
    return attempt;
  }

  /** Each address once in order, then again from the first; those on a closed link are passed over. */
  #nextAddress(request: PendingRequest): Address | undefined {
    const { addresses, sendings } = request;
    for (let i = 0; i < addresses.length; i++) {
      const address = addresses[(sendings + i) % addresses.length] as Address;
      if (!this.#links.isClosed(address)) return address;
    }
    return undefined;
  }

  #scheduleNext(nowMs: InstantMs, request: PendingRequest, attempt: Attempt): void {
    const sent = request.sendings;
    const { nextAddressDelayMs, softTimeoutJitterMs } = this.#options.limits;
    if (sent < request.addresses.length) {
      request.nextAtMs = nowMs + nextAddressDelayMs;
    } else {
      const jitterMs = softTimeoutJitterMs === 0 ? 0 : attempt.high % softTimeoutJitterMs;
      const backOff = 2 ** Math.max(0, sent - request.addresses.length - evenPauses);
      request.nextAtMs =
        nowMs + this.#options.history.softTimeoutMs(attempt.address.key) * backOff + jitterMs;
    }
    this.#arm(request);
  }

  #awaitSent(nowMs: InstantMs, { request, address }: Attempt): void {
    request.nextAtMs = nowMs + 2 * this.#options.history.softTimeoutMs(address.key);
    this.#arm(request);
  }

  #arm(request: PendingRequest): void {
    const { nextAtMs, hardAtMs } = request;
    this.#options.timers.set(request, nextAtMs === undefined ? hardAtMs : Math.min(nextAtMs, hardAtMs));
  }

  #failAttempt(nowMs: InstantMs, attempt: Attempt, reason: SendFailure): void {
    const { request, address } = attempt;
    if (attempt.failed || request.state === "ended") return;
    if (reason === "queueFull") {
      this.#sendLater(nowMs, attempt);
      return;
    }
    attempt.failed = true;
    this.#forget(attempt);
    if (reason === "unreachable" || reason === "handshakeFailed" || reason === "wrongPeer") {
      this.#options.history.onFailed(nowMs, address.key);
      this.#options.neighbours.onUnreachable(nowMs, request, address);
    }
    if (request.sendings < request.addresses.length) this.enqueue(request);
    else if (request.attempts.every((other) => other.failed)) {
      if (reason === "closed" && isWorthAnother(request)) this.enqueue(request);
      else this.fail(nowMs, request, failureReason(reason));
    }
  }

  /**
   * It has not left, so it does not count. Where a whole link is full it goes when the link opens; where the queue of one
   * connection is, after a pause: asking again at once would only be refused again.
   */
  #sendLater(nowMs: InstantMs, attempt: Attempt): void {
    const { request, address } = attempt;
    request.sendings--;
    attempt.deferred = false;
    if (attempt.sentAtMs !== undefined) {
      this.#forget(attempt);
      request.attempts.splice(request.attempts.indexOf(attempt), 1);
    }
    request.nextAtMs = this.#links.isClosed(address)
      ? undefined
      : nowMs + this.#options.limits.nextAddressDelayMs;
    this.#arm(request);
    if (request.nextAtMs === undefined) this.enqueue(request);
  }

  #discard(request: PendingRequest): void {
    request.state = "ended";
    this.#options.timers.clear(request);
  }

  #end(request: PendingRequest): void {
    if (request.owner !== undefined && (request.state === "inFlight" || request.state === "slow"))
      this.#inFlight--;
    request.state = "ended";
    this.#options.timers.clear(request);
    for (const attempt of request.attempts) this.#forget(attempt);
  }

  #forget(attempt: Attempt): void {
    if (this.#attempts.get(attempt.low) === attempt) this.#attempts.delete(attempt.low);
    this.#leaveWindow(attempt);
  }

  #leaveWindow(attempt: Attempt): void {
    if (attempt.window !== undefined) this.#window.onAnswered(attempt.window);
    attempt.window = undefined;
  }

  /** When too many are remembered, the oldest that nobody waits for is forgotten; `false` when all are waited for. */
  #makeRoom(nowMs: InstantMs): boolean {
    if (this.#attempts.size < this.#options.limits.maxPendingRequests) return true;
    for (const { request } of this.#attempts.values()) {
      if (request.owner !== undefined && request.state !== "overdue") continue;
      this.fail(nowMs, request, "noAnswer");
      return true;
    }
    return false;
  }
}

function dropped(reason: DropReason): ResponseOutcome {
  return { type: "dropped", reason };
}

function fits(request: RequestType, response: ResponseType): boolean {
  return response === "refused" || expectedResponse[request].includes(response);
}

/**
 * A connection that is closed under a request says little of the peer: it had been idle for long, or the peer has started anew. So
 * it is asked once more, over a new one. A message is not sent again: it may have been delivered, and the receiver would not know it.
 */
function isWorthAnother({ body, owner, sendings, addresses, maxSendings }: PendingRequest): boolean {
  const isLast = sendings === addresses.length && sendings < maxSendings;
  return isLast && owner !== undefined && body.type !== "application";
}

function failureReason(reason: Exclude<SendFailure, "queueFull">): FailureReason {
  return reason === "handshakeFailed" ? "unreachable" : reason;
}
