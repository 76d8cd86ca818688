/**
 * What we learn of peers from talking to them: who enters the routing table, who leaves it, who is worth a ping.
 *
 * Only peers that answered a request of ours enter (libp2p, discv5); a server that asks us something is pinged once if it
 * would fit, and enters when it answers, as incoming-only until a walk of ours reaches it. Failures count against a
 * contact only while the network as a whole seems to be up (dht-rpc).
 */
import type { Address, AddressCodec } from "./address.ts";
import { boundAddresses, type Contact } from "./contact.ts";
import type { Counters } from "./counters.ts";
import type { FailureReason, NodeEvent } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import type { PeerHistory } from "./peer-history.ts";
import type { Request, RequestMessage, ResponseMessage } from "./protocol.ts";
import type { TokenBucket } from "./rate-limiter.ts";
import type { ContactOrigin, InsertOutcome, RoutingTable } from "./routing-table.ts";
import type { PendingRequest, RequestOwner, Rpc, RpcObserver } from "./rpc.ts";

export interface NeighboursOptions {
  readonly table: RoutingTable;
  readonly history: PeerHistory;
  readonly health: NetworkHealth;
  readonly addresses: AddressCodec;
  readonly counters: Counters;
  readonly verifyPings: TokenBucket;
  readonly emit: (event: NodeEvent) => void;
  /** The table has its first contact. */
  readonly onFirstContact: (nowMs: InstantMs) => void;
  /** Most pings of our own that may wait for an answer at once. */
  readonly maxPings: number;
}

const ping: Request = { type: "ping" };

export class Neighbours implements RpcObserver {
  readonly #options: NeighboursOptions;
  readonly #table: RoutingTable;
  #rpc: Rpc | undefined = undefined;
  /** Peers being pinged by us here, by id: none is pinged twice at once. */
  readonly #pinged = new Map<string, ContactOrigin>();

  constructor(options: NeighboursOptions) {
    this.#options = options;
    this.#table = options.table;
  }

  /** Requests and what is learned from them refer to each other. */
  attach(rpc: Rpc): void {
    this.#rpc = rpc;
  }

  get pings(): number {
    return this.#pinged.size;
  }

  /** A peer has answered a request of ours, at this address. */
  onAnswered(nowMs: InstantMs, request: PendingRequest, response: ResponseMessage, from: Path): void {
    this.#options.health.onAnswered();
    if (response.client) {
      this.#refuse("client");
      this.#table.remove(response.sender);
      return;
    }
    const contact = this.#contactOf(response, from);
    if (contact === undefined) return;
    const origin =
      this.#pinged.get(response.sender.key) ?? (request.owner === undefined ? "incoming" : "walk");
    this.#insert(nowMs, contact, origin);
  }

  /**
   * Somebody has asked us something, in so many bytes: an unknown server that would fit is pinged once, at one address,
   * no longer than it asked and no more often than allowed. It may be no server, but a name that somebody has forged.
   */
  onAsked(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    if (
      message.client ||
      this.#table.get(message.sender) !== undefined ||
      this.#pinged.has(message.sender.key)
    )
      return;
    const contact = this.#contactOf(message, from);
    const [address] = (contact && this.#rpc?.reachable(contact.addresses)) ?? [];
    if (contact === undefined || address === undefined) return;
    if (!this.#table.wouldFit(contact.id, address)) return;
    if (this.#options.history.isSuspect(nowMs, address.key)) return;
    if (this.#pinged.size >= this.#options.maxPings || !this.#options.verifyPings.take(nowMs)) return;
    this.#ping({ id: contact.id, addresses: [address] }, "incoming", bytes);
  }

  /** A contact that the host vouches for: pinged, and in the table when it answers. */
  offer(contact: Contact): InsertOutcome {
    const known = this.#table.get(contact.id) !== undefined;
    if (!known && this.#pinged.size < this.#options.maxPings) this.#ping(contact, "walk");
    return known ? { type: "updated" } : { type: "cached" };
  }

  /** Asks contacts whether they are still there. */
  pingAll(contacts: readonly Contact[]): void {
    for (const contact of contacts) {
      const incoming = this.#table.get(contact.id)?.incomingOnly ?? false;
      if (this.#pinged.size < this.#options.maxPings) this.#ping(contact, incoming ? "incoming" : "walk");
    }
  }

  /** Another id answered at a contact's address: the contact is not there any more. */
  onReplaced(_nowMs: InstantMs, id: NodeId): void {
    const { promoted } = this.#table.evict(id) as { readonly promoted?: Contact };
    if (promoted !== undefined) this.#discovered(promoted);
  }

  onOverdue(nowMs: InstantMs, request: PendingRequest): void {
    this.#options.health.onFailed();
    this.#countFailure(nowMs, request);
  }

  onUnreachable(nowMs: InstantMs, request: PendingRequest, address: Address): void {
    const { id } = request.to;
    if (id === undefined) return;
    this.#table.onAddressFailed(id, address);
    if (request.addresses.length === 1) this.#countFailure(nowMs, request);
  }

  onTimedOut(_nowMs: InstantMs, request: PendingRequest): void {
    this.#options.counters.requestTimeouts++;
    const to = request.addresses[0];
    if (to === undefined) return;
    this.#options.emit({ type: "requestTimedOut", query: request.owner?.queryId, to, peer: request.to.id });
  }

  #countFailure(nowMs: InstantMs, request: PendingRequest): void {
    const { id } = request.to;
    if (id === undefined || !this.#options.health.countsFailure()) return;
    const outcome = this.#table.onFailed(nowMs, id);
    if (outcome.type === "removed" && outcome.promoted !== undefined) this.#discovered(outcome.promoted);
  }

  #insert(nowMs: InstantMs, contact: Contact, origin: ContactOrigin): void {
    const outcome = this.#table.onAnswered(nowMs, contact, origin);
    if (outcome.type === "inserted") {
      this.#discovered(contact);
      if (this.#table.size === 1) this.#options.onFirstContact(nowMs);
    } else if (outcome.type === "probe") this.#ping(outcome.oldest, "walk");
    else if (outcome.type === "refused") this.#refuse(outcome.reason);
  }

  /** The observed address counts where it can be dialled, with those that the peer declares behind it; else the latter. */
  #contactOf(message: RequestMessage | ResponseMessage, from: Path): Contact | undefined {
    const { sender, addresses: declared } = message;
    const known = this.#table.get(sender)?.contact;
    if (from.dialable && declared.length === 0) {
      return known?.addresses[0] === from.remote ? known : { id: sender, addresses: [from.remote] };
    }
    const addresses = boundAddresses(from.dialable ? [from.remote, ...declared] : declared);
    const { dialable } = this.#options.addresses;
    if (addresses.some((address) => (address.kind & dialable) !== 0)) return { id: sender, addresses };
    this.#refuse(addresses.length === 0 ? "noAddress" : "unreachableKind");
    return undefined;
  }

  /** With `maxBytes`, once and no longer. */
  #ping(contact: Contact, origin: ContactOrigin, maxBytes?: number): void {
    const rpc = this.#rpc;
    if (rpc === undefined || this.#pinged.has(contact.id.key)) return;
    this.#pinged.set(contact.id.key, origin);
    rpc.enqueue(
      maxBytes === undefined
        ? rpc.create(contact, ping, this.#pingOwner)
        : rpc.createOnce(contact, ping, this.#pingOwner, maxBytes),
    );
  }

  readonly #pingOwner: RequestOwner = {
    queryId: undefined,
    onResponse: (_nowMs, request) => this.#pingEnded(request),
    onSlow: () => undefined,
    onOverdue: () => undefined,
    onFailure: (_nowMs: InstantMs, request: PendingRequest, _reason: FailureReason) =>
      this.#pingEnded(request),
  };

  #pingEnded(request: PendingRequest): void {
    if (request.to.id !== undefined) this.#pinged.delete(request.to.id.key);
  }

  #discovered(contact: Contact): void {
    this.#options.emit({ type: "nodeDiscovered", contact });
  }

  #refuse(reason: keyof Counters["contactsRefused"]): void {
    this.#options.counters.contactsRefused[reason]++;
  }
}
