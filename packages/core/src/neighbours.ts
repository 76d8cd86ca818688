/**
 * What we learn of peers from talking to them: who enters the routing table, who leaves it, who is worth a ping.
 *
 * Only peers that answered a request of ours enter (libp2p, discv5); a server that asks us something is pinged once if it
 * would fit, and enters when it answers, as incoming-only until a walk of ours reaches it. Failures count against a
 * contact only while the network as a whole seems to be up (dht-rpc).
 */
import type { Address, AddressCodec } from "./address.ts";
import { boundAddresses, type Contact, type Seed } from "./contact.ts";
import type { Counters } from "./counters.ts";
import type { NodeEvent } from "./events.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import type { PeerHistory } from "./peer-history.ts";
import type { PendingRequest } from "./pending-request.ts";
import { Pings } from "./pings.ts";
import type { RequestMessage, ResponseMessage } from "./protocol.ts";
import type { TokenBucket } from "./rate-limiter.ts";
import type { ContactOrigin, FailOutcome, InsertOutcome, RoutingTable } from "./routing-table.ts";
import type { Rpc, RpcObserver } from "./rpc.ts";
import type { ContactRefusal } from "./stats.ts";

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
  /** Most pings that may wait to be sent or answered, and most of them under way. */
  readonly maxPings: number;
  readonly maxPingsInFlight: number;
}

export class Neighbours implements RpcObserver {
  readonly #options: NeighboursOptions;
  readonly #table: RoutingTable;
  #rpc!: Rpc;
  #pings!: Pings;

  constructor(options: NeighboursOptions) {
    this.#options = options;
    this.#table = options.table;
  }

  /** Requests and what is learned from them refer to each other. */
  attach(rpc: Rpc): void {
    const { maxPings, maxPingsInFlight } = this.#options;
    this.#rpc = rpc;
    this.#pings = new Pings({ rpc, maxPings, maxInFlight: maxPingsInFlight });
  }

  /** Pings that wait to be sent or answered. */
  get pings(): number {
    return this.#pings.size;
  }

  /** A peer has answered a request of ours, at this address. */
  onAnswered(nowMs: InstantMs, request: PendingRequest, response: ResponseMessage, from: Path): void {
    this.#options.health.onAnswered(nowMs);
    if (response.client) {
      this.#refuse("client");
      this.#evict(response.sender);
      return;
    }
    const contact = asAsked(request.to, response, from) ?? this.#contactOf(response, from);
    if (contact === undefined) return;
    // Whatever query asked, and even if that has ended since, it was our own work that reached the peer.
    this.#insert(nowMs, contact, this.#pings.originOf(request) ?? "walk");
  }

  /**
   * Somebody has asked us something, in so many bytes: an unknown server that would fit is pinged once, at one address,
   * no longer than it asked and no more often than allowed. It may be no server, but a name that somebody has forged.
   */
  onAsked(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    const { sender, client } = message;
    if (client || this.#table.get(sender) !== undefined || this.#pings.has(sender)) return;
    const [address] = this.#rpc.reachable(this.#contactOf(message, from)?.addresses ?? []);
    if (address === undefined || !this.#table.wouldFit(sender, address)) return;
    const { history, verifyPings } = this.#options;
    if (history.isSuspect(nowMs, address.key) || !this.#pings.isFree || !verifyPings.take(nowMs)) return;
    this.#pings.sendOnce({ id: sender, addresses: [address] }, bytes);
  }

  /** A contact that the host vouches for: pinged, and in the table when it answers. */
  offer(contact: Contact): InsertOutcome {
    if (this.#table.get(contact.id) !== undefined) return { type: "updated" };
    if (this.#pings.send(contact, "walk")) return { type: "cached" };
    this.#refuse("busy");
    return { type: "refused", reason: "busy" };
  }

  /** Asks contacts whether they are still there. */
  pingAll(contacts: readonly Contact[]): void {
    for (const contact of contacts) this.#probe(contact);
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#pings.close();
  }

  /** Another id answered at a contact's address: the contact is not there any more; if it has others, perhaps there. */
  onReplaced(id: NodeId, address: Address): void {
    const known = this.#table.get(id)?.contact.addresses ?? [];
    if (known.some(({ key }) => key !== address.key)) this.#table.onAddressFailed(id, address);
    else this.#evict(id);
  }

  onOverdue(nowMs: InstantMs, request: PendingRequest): void {
    const { health } = this.#options;
    health.onFailed(request.beganAtMs);
    const { id } = request.to;
    if (id === undefined || !health.countsFailure()) return;
    this.#onDropped(this.#table.onFailed(nowMs, id));
  }

  /** The last of its addresses counts as silence does: a host without a network hears of nothing else. */
  onUnreachable(nowMs: InstantMs, request: PendingRequest, address: Address): void {
    if (request.to.id !== undefined) this.#table.onAddressFailed(request.to.id, address);
    const isLast = request.attempts.every(({ failed }) => failed);
    if (!isLast || request.sendings < request.addresses.length || request.isCounted) return;
    request.isCounted = true;
    this.onOverdue(nowMs, request);
  }

  onTimedOut(_nowMs: InstantMs, request: PendingRequest): void {
    this.#options.counters.requestTimeouts++;
    const to = request.addresses[0] as Address;
    this.#options.emit({ type: "requestTimedOut", query: request.owner?.queryId, to, peer: request.to.id });
  }

  #insert(nowMs: InstantMs, contact: Contact, origin: ContactOrigin): void {
    const outcome = this.#table.onAnswered(nowMs, contact, origin);
    if (outcome.type === "inserted") {
      this.#discovered(contact);
      if (this.#table.size === 1) this.#options.onFirstContact(nowMs);
    } else if (outcome.type === "probe") this.#probe(outcome.oldest);
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

  /** A ping changes nothing about how the contact came to us. */
  #probe(contact: Contact): void {
    this.#pings.send(contact, this.#table.get(contact.id)?.incomingOnly ? "incoming" : "walk");
  }

  #evict(id: NodeId): void {
    this.#onDropped(this.#table.evict(id));
  }

  #onDropped(outcome: FailOutcome): void {
    if (outcome.type === "removed" && outcome.promoted !== undefined) this.#discovered(outcome.promoted);
  }

  #discovered(contact: Contact): void {
    this.#options.emit({ type: "nodeDiscovered", contact });
  }

  #refuse(reason: ContactRefusal): void {
    this.#options.counters.contactsRefused.add(reason);
  }
}

/** The very contact that was asked, where it answered as it was known: one object serves the walk, the table and the codec. */
function asAsked(to: Seed, response: ResponseMessage, from: Path): Contact | undefined {
  const { id, addresses } = to;
  const isSame =
    from.dialable &&
    response.addresses.length === 0 &&
    addresses.length === 1 &&
    addresses[0] === from.remote &&
    id?.equals(response.sender);
  return isSame ? (to as Contact) : undefined;
}
