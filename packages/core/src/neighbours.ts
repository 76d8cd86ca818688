/**
 * What we learn of peers from talking to them: who enters the routing table, who leaves it, who is worth a ping.
 *
 * Only peers that answered a request of ours, or the handshake of a layer below, enter (libp2p, discv5); a server that asks
 * us something is pinged once if it would fit, and enters when it answers, as incoming-only until a walk of ours reaches it.
 * Failures count against a contact only while the network as a whole seems to be up (dht-rpc).
 */
import type { Address, AddressCodec } from "./address.ts";
import { boundAddresses, type Contact, type Seed } from "./contact.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event-queue.ts";
import { LostContacts } from "./lost-contacts.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { NetworkHealth } from "./network-health.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { PeerHistory } from "./peer-history.ts";
import type { PendingRequest } from "./pending-request.ts";
import { Pings } from "./pings.ts";
import type { Protocol, RequestMessage, ResponseMessage } from "./protocol.ts";
import { TokenBucket } from "./rate-limiter.ts";
import type { ContactOrigin, FailOutcome, InsertOutcome, RoutingTable, TableEntry } from "./routing-table.ts";
import type { Rpc, RpcObserver } from "./rpc.ts";
import type { ContactRefusal, Gauge } from "./stats.ts";

export interface NeighboursOptions {
  readonly table: RoutingTable;
  readonly history: PeerHistory;
  readonly health: NetworkHealth;
  readonly addresses: AddressCodec;
  readonly protocol: Pick<Protocol, "knownContact">;
  readonly counters: Counters;
  readonly events: Pick<EventQueue, "push">;
  readonly limits: NodeLimits;
  /** Asks peers, and tells us of them. */
  readonly rpc: Rpc;
  /** The table has its first contact. */
  onJoined(nowMs: InstantMs): void;
  /** What becomes of contacts, for whoever looks after the table. */
  readonly maintenance: {
    /** One has not answered, and stays for now. */
    onContactFailing(nowMs: InstantMs): void;
    /** One has left for its silence. */
    onContactLost(nowMs: InstantMs, id: NodeId): void;
    /** One that had left answers again: we, or it, may have been cut off. */
    onContactBack(nowMs: InstantMs): void;
  };
}

export class Neighbours implements RpcObserver {
  readonly #options: NeighboursOptions;
  readonly #pings: Pings;
  readonly #verifyPings: TokenBucket;
  readonly #lost: LostContacts;

  constructor(options: NeighboursOptions) {
    const { verifyPingsPerSecond, verifyPingBurst } = options.limits;
    this.#options = options;
    this.#pings = new Pings(options);
    this.#verifyPings = new TokenBucket(verifyPingsPerSecond, verifyPingBurst);
    this.#lost = new LostContacts(options.limits.maxLostContacts);
  }

  /** Pings that wait to be sent or answered. */
  get pings(): number {
    return this.#pings.size;
  }

  /** Contacts that have left, and are asked now and then. */
  get lost(): Gauge {
    return { used: this.#lost.size, limit: this.#options.limits.maxLostContacts };
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
    if (this.#pings.isMove(request)) {
      this.#onMoved(nowMs, contact);
      return;
    }
    // Whatever query asked, and even if that has ended since, it was our own work that reached the peer.
    this.#insert(nowMs, contact, this.#pings.originOf(request) ?? "walk");
  }

  /**
   * Somebody has asked us something, in so many bytes: an unknown server that would fit is pinged once, at one address,
   * no longer than it asked and no more often than allowed. It may be no server, but a name that somebody has forged. Where
   * a layer below has proven who it is, at an address that can be dialled, it has answered already and enters. A suspect
   * that asks us may be back; but one that has just not answered would not do so now.
   */
  onAsked(nowMs: InstantMs, message: RequestMessage, from: Path, bytes: number): void {
    const { sender, client } = message;
    if (client) return;
    const known = this.#options.table.contactOf(sender);
    if (known !== undefined) {
      this.#onKnownAsked(nowMs, known, from, bytes);
      return;
    }
    if (this.#pings.has(sender)) return;
    const contact = this.#contactOf(message, from);
    const [address] = this.#options.rpc.reachable(contact?.addresses ?? []);
    if (contact === undefined || address === undefined) return;
    if (!this.#options.table.wouldFit(sender, address) || !this.#mayVerify(nowMs, address)) return;
    if (from.peer !== undefined && address.key === from.remote.key) this.#insert(nowMs, contact, "incoming");
    else this.#pings.sendOnce(this.#contactAt(sender, address), bytes);
  }

  /** A contact that the host vouches for: pinged, and in the table when it answers. */
  offer(contact: Contact): InsertOutcome {
    if (this.#options.table.has(contact.id)) return { type: "updated" };
    if (this.#pings.send(contact, "walk")) return { type: "cached" };
    this.#refuse("busy");
    return { type: "refused", reason: "busy" };
  }

  /** Asks contacts whether they are still there. */
  pingAll(contacts: readonly Contact[]): void {
    for (const contact of contacts) this.#probe(contact);
  }

  /** Asks so many of those that have left whether they are back. */
  pingLost(count: number): void {
    for (const contact of this.#lost.next(count)) this.#pings.send(contact, "walk");
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#pings.close();
  }

  /**
   * Another id answered at a contact's address, so the request fails. The contact leaves; if it has other addresses, which
   * nobody may have tried yet, it is asked there. Who is here now has answered a request of ours as everybody in the table has.
   */
  onReplaced(nowMs: InstantMs, request: PendingRequest, response: ResponseMessage, from: Path): void {
    const id = request.to.id as NodeId;
    const known = this.#options.table.get(id);
    this.#evict(id);
    this.onAnswered(nowMs, request, response, from);
    request.owner?.onFailure(nowMs, request, "wrongPeer");
    const addresses = known?.contact.addresses.filter(({ key }) => key !== from.remote.key) ?? [];
    if (addresses.length > 0) this.#pings.send({ id, addresses }, known?.incomingOnly ? "incoming" : "walk");
  }

  onOverdue(nowMs: InstantMs, request: PendingRequest): void {
    const { health } = this.#options;
    health.onFailed(request.beganAtMs);
    const { id } = request.to;
    if (id === undefined) return;
    const known = this.#options.table.get(id);
    if (!health.countsFailure() && !this.#isLongUnheard(nowMs, known)) return;
    const contact = known?.contact;
    const outcome = this.#options.table.onFailed(nowMs, id);
    if (outcome.type === "kept") this.#options.maintenance.onContactFailing(nowMs);
    if (outcome.type === "removed" && contact !== undefined) {
      this.#lost.add(contact);
      this.#options.maintenance.onContactLost(nowMs, id);
    }
    this.#onDropped(outcome);
  }

  /** The last of its addresses counts as silence does: a host without a network hears of nothing else. */
  onUnreachable(nowMs: InstantMs, request: PendingRequest, address: Address): void {
    if (request.to.id !== undefined) this.#options.table.onAddressFailed(request.to.id, address);
    const isLast = request.attempts.every(({ failed }) => failed);
    if (!isLast || request.sendings < request.addresses.length || request.isCounted) return;
    request.isCounted = true;
    this.onOverdue(nowMs, request);
  }

  onTimedOut(_nowMs: InstantMs, request: PendingRequest): void {
    this.#options.counters.requestTimeouts++;
    const to = request.addresses[0] as Address;
    this.#options.events.push({
      type: "requestTimedOut",
      query: request.owner?.queryId,
      to,
      peer: request.to.id,
    });
  }

  /**
   * That we seem to be offline protects a contact only for so long: where all contacts of a small table are gone for good,
   * nothing else would ever show it.
   */
  #isLongUnheard(nowMs: InstantMs, known: TableEntry | undefined): boolean {
    return known !== undefined && nowMs - known.lastSeenMs >= this.#options.limits.refreshIntervalMs;
  }

  /** Where they may not have its place, it leaves: it is not where it was. */
  #onMoved(nowMs: InstantMs, contact: Contact): void {
    const outcome = this.#options.table.onMoved(nowMs, contact);
    if (outcome.type === "refused") this.#evict(contact.id);
    this.#onInsert(nowMs, contact, outcome);
  }

  #insert(nowMs: InstantMs, contact: Contact, origin: ContactOrigin): void {
    this.#onInsert(nowMs, contact, this.#options.table.onAnswered(nowMs, contact, origin));
  }

  #onInsert(nowMs: InstantMs, contact: Contact, outcome: InsertOutcome): void {
    if (outcome.type === "inserted") {
      const wasLost = this.#lost.delete(contact.id);
      this.#discovered(contact);
      if (this.#options.table.size === 1) this.#options.onJoined(nowMs);
      else if (wasLost) this.#options.maintenance.onContactBack(nowMs);
    } else if (outcome.type === "probe") this.#probe(outcome.oldest);
    else if (outcome.type === "refused") this.#refuse(outcome.reason);
  }

  /**
   * A contact asks us from an address at which we do not know it: it has moved, or has several, or somebody uses its name.
   * Where its id is proven, it is asked there. Else it is asked where we know it, and there only if it does not answer: who
   * answers then has its place, as one that came to us.
   */
  #onKnownAsked(nowMs: InstantMs, known: Contact, { remote, dialable, peer }: Path, bytes: number): void {
    const { id, addresses } = known;
    if (!dialable || addresses.some(({ key }) => key === remote.key)) return;
    if (!this.#pings.has(id)) {
      if (!this.#mayVerify(nowMs, remote)) return;
      if (peer === undefined) this.#probe(known);
      else this.#pings.sendOnce({ id, addresses: [remote] }, bytes);
    }
    if (peer === undefined) this.#pings.noteMove(id, remote, bytes);
  }

  /** Whether a ping that a stranger has caused may go there now. */
  #mayVerify(nowMs: InstantMs, address: Address): boolean {
    if (this.#options.history.hasJustFailed(nowMs, address.key) || !this.#pings.isFree) return false;
    return this.#verifyPings.take(nowMs);
  }

  /** The observed address counts where it can be dialled, with those that the peer declares behind it; else the latter. */
  #contactOf(message: RequestMessage | ResponseMessage, from: Path): Contact | undefined {
    const { sender, addresses: declared } = message;
    const known = this.#options.table.contactOf(sender);
    if (from.dialable && declared.length === 0) {
      return known?.addresses[0] === from.remote ? known : this.#contactAt(sender, from.remote);
    }
    const addresses = boundAddresses(from.dialable ? [from.remote, ...declared] : declared);
    const { dialable } = this.#options.addresses;
    if (addresses.some((address) => (address.kind & dialable) !== 0)) return { id: sender, addresses };
    this.#refuse(addresses.length === 0 ? "noAddress" : "unreachableKind");
    return undefined;
  }

  /** The object that others have for it, where there is one. */
  #contactAt(id: NodeId, address: Address): Contact {
    return this.#options.protocol.knownContact?.(id, address) ?? { id, addresses: [address] };
  }

  /** A ping changes nothing about how the contact came to us. */
  #probe(contact: Contact): void {
    this.#pings.send(contact, this.#options.table.get(contact.id)?.incomingOnly ? "incoming" : "walk");
  }

  #evict(id: NodeId): void {
    this.#onDropped(this.#options.table.evict(id));
  }

  #onDropped(outcome: FailOutcome): void {
    if (outcome.type === "removed" && outcome.promoted !== undefined) this.#discovered(outcome.promoted);
  }

  #discovered(contact: Contact): void {
    this.#options.events.push({ type: "nodeDiscovered", contact });
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
