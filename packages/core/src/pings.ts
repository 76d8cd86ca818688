/**
 * The pings of a node's own: is a contact still there, is a stranger who it says it is. Nobody is pinged twice at once;
 * only so many are under way, so that they leave room for what callers want, and the others wait in a bounded queue.
 */
import type { Address } from "./address.ts";
import type { Contact } from "./contact.ts";
import { LeanMap } from "./lean-map.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { PendingRequest, RequestOwner } from "./pending-request.ts";
import type { Request } from "./protocol.ts";
import { Ring } from "./ring.ts";
import type { ContactOrigin } from "./routing-table.ts";
import type { Rpc } from "./rpc.ts";

export interface PingsOptions {
  readonly rpc: Rpc;
  readonly limits: Pick<NodeLimits, "maxInFlight" | "maxPendingRequests">;
}

const ping: Request = { type: "ping" };

/** Where to ask a contact that does not answer where it is known: once, and in no more bytes than it asked with. */
interface Move {
  readonly address: Address;
  readonly maxBytes: number;
  /** It is being asked there. */
  readonly isAsked: boolean;
}

export class Pings implements RequestOwner {
  readonly queryId = undefined;
  readonly #options: PingsOptions;
  /** By id, with what an answer says of how the contact came to us. */
  readonly #origins = new LeanMap<string, ContactOrigin>();
  /** Of contacts that have asked us from elsewhere meanwhile, by id: where they did so last. */
  readonly #moves = new LeanMap<string, Move>();
  readonly #waiting: Ring<Contact> = new Ring();
  #inFlight = 0;

  constructor(options: PingsOptions) {
    this.#options = options;
  }

  /** Those that wait to be sent, and those that wait for an answer. */
  get size(): number {
    return this.#origins.size;
  }

  has(id: NodeId): boolean {
    return this.#origins.has(id.key);
  }

  /** `undefined`: the request is none of these pings. */
  originOf(request: PendingRequest): ContactOrigin | undefined {
    return request.owner === this ? this.#origins.get((request.to.id as NodeId).key) : undefined;
  }

  /** Whether the request asks a contact where it was not known, since it did not answer where it was. */
  isMove(request: PendingRequest): boolean {
    if (request.owner !== this) return false;
    return this.#moves.get((request.to.id as NodeId).key)?.isAsked === true;
  }

  /** Somebody who is being pinged where we know it asks us from elsewhere, in so many bytes. */
  noteMove(id: NodeId, address: Address, maxBytes: number): void {
    if (!this.has(id) || this.#moves.get(id.key)?.isAsked) return;
    this.#moves.set(id.key, { address, maxBytes, isAsked: false });
  }

  /** `false`: as many wait as may. Nobody is pinged twice at once. */
  send(contact: Contact, origin: ContactOrigin): boolean {
    if (this.has(contact.id)) return true;
    if (this.#isFull) return false;
    this.#origins.set(contact.id.key, origin);
    if (this.#inFlight < this.#maxInFlight) this.#begin(contact);
    else this.#waiting.push(contact);
    return true;
  }

  /** Whether a ping that a stranger causes could go out: such a ping does not wait. */
  get isFree(): boolean {
    return this.#inFlight < this.#maxInFlight && !this.#isFull;
  }

  /** The other half of the room is for what callers want. */
  get #maxInFlight(): number {
    return Math.ceil(this.#options.limits.maxInFlight / 2);
  }

  /** Those that wait to be sent or answered. */
  get #isFull(): boolean {
    return this.#origins.size >= this.#options.limits.maxPendingRequests;
  }

  /** To somebody who asked us something: sent once, and no longer than `maxBytes`. */
  sendOnce(contact: Contact, maxBytes: number): void {
    this.#origins.set(contact.id.key, "incoming");
    this.#inFlight++;
    const { rpc } = this.#options;
    rpc.enqueue(rpc.createOnce(contact, ping, this, maxBytes));
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#origins.clear();
    this.#moves.clear();
    this.#waiting.clear();
    this.#inFlight = 0;
  }

  #begin(contact: Contact): void {
    this.#inFlight++;
    const { rpc } = this.#options;
    rpc.enqueue(rpc.create(contact, ping, this));
  }

  onResponse(_nowMs: InstantMs, request: PendingRequest): void {
    this.#end(request);
  }

  onSlow(): void {}

  onOverdue(): void {}

  onFailure(_nowMs: InstantMs, request: PendingRequest): void {
    const id = request.to.id as NodeId;
    const move = this.#moves.get(id.key);
    this.#end(request);
    if (move === undefined || move.isAsked || !this.isFree) return;
    this.#moves.set(id.key, { ...move, isAsked: true });
    this.sendOnce({ id, addresses: [move.address] }, move.maxBytes);
  }

  #end(request: PendingRequest): void {
    const { key } = request.to.id as NodeId;
    this.#origins.delete(key);
    this.#moves.delete(key);
    this.#inFlight--;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#begin(next);
  }
}
