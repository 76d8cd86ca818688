/**
 * Several transports as one outlet: each transmit goes to the transport that carries its kind of address.
 *
 * Every kind of address is a link of its own, since backpressure is per link: a full UDP socket does not hold back
 * streams. The router numbers the links from 1, tells the address table of them, and turns `full` into a `flow` event.
 * Bounded by nature: there are six kinds, and each belongs to one transport.
 */
import type { Address } from "./address.ts";
import { type AddressKind, type AddressTable, addressKinds } from "./address-table.ts";
import { UsageError } from "./errors.ts";
import type { NetworkEvent, Path, SendFailure, Transmit } from "./machine.ts";
import type { Outlet, SendOutcome, Transport, TransportSink } from "./transport.ts";

/** Where a router hands in what its transports report: a driver, and the loop that pumps it. */
export interface Inlet {
  /** `Driver.deliver`. */
  deliver(event: NetworkEvent): void;
  /** Called after each `deliver`: pump once when this batch is over. A loop that pumps after every wait does nothing. */
  wake(): void;
  /** `Host.report`. */
  report(error: unknown): void;
}

export interface TransportRouterOptions {
  readonly transports: readonly Transport[];
  readonly addresses: AddressTable;
}

/** One kind of address on its transport; plain data that the caller owns. */
export interface LinkStats {
  readonly kind: AddressKind;
  readonly link: number;
  /** `false` between `full` and the transport's next `flow`. */
  readonly open: boolean;
  /** Transmits by outcome. `queued` is not what waits now, but what ever had to. */
  readonly outcomes: Readonly<Record<SendOutcome, number>>;
}

interface Link {
  readonly kind: AddressKind;
  readonly number: number;
  readonly transport: Transport;
  open: boolean;
  readonly outcomes: Record<SendOutcome, number>;
}

/** What one transport tells its router. */
class Sink implements TransportSink {
  readonly #router: TransportRouter;
  readonly #transport: Transport;

  constructor(router: TransportRouter, transport: Transport) {
    this.#router = router;
    this.#transport = transport;
  }

  message(from: Path, bytes: Uint8Array): void {
    this.#router.deliver({ type: "message", from, bytes });
  }

  deferred(tag: number): void {
    this.#router.deliver({ type: "deferred", tag });
  }

  sent(tag: number): void {
    this.#router.deliver({ type: "sent", tag });
  }

  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void {
    this.#router.deliver(
      tag === undefined ? { type: "sendFailed", to, reason } : { type: "sendFailed", to, tag, reason },
    );
  }

  flow(kind: AddressKind, open: boolean): void {
    this.#router.onFlow(this.#transport, kind, open);
  }

  addressesChanged(): void {
    this.#router.onAddressesChanged();
  }

  report(error: unknown): void {
    this.#router.report(error);
  }
}

type State = "new" | "opened" | "closed";

/** At most so many addresses go up to the node; a contact holds 4 of them. */
const maxLocalAddresses = 16;

export class TransportRouter implements Outlet {
  readonly maxBytes: number;
  readonly #transports: readonly Transport[];
  readonly #addresses: AddressTable;
  /** By the number of the bit in `Address.kind`. */
  readonly #links: (Link | undefined)[];
  #opened: readonly Transport[] = [];
  #inlet: Inlet | undefined;
  #state: State = "new";

  /** @throws UsageError `invalidOption` when there is no transport, or two carry the same kind of address */
  constructor(options: TransportRouterOptions) {
    this.#transports = [...options.transports];
    this.#addresses = options.addresses;
    this.#links = numberLinks(this.#transports);
    this.maxBytes = Math.max(...this.#transports.map((transport) => transport.maxBytes));
  }

  /**
   * Opens the transports one after another; a promise only where one of them returned one. When one fails, those opened
   * before it are closed again and its error is thrown, or rejects.
   * @throws UsageError `invalidArgument` when called twice
   */
  open(inlet: Inlet): void | Promise<void> {
    if (this.#state !== "new")
      throw new UsageError("invalidArgument", "a router of transports is opened once");
    this.#state = "opened";
    this.#inlet = inlet;
    for (const link of this.#links) {
      if (link !== undefined) {
        this.#addresses.setLink(link.kind, { link: link.number, maxBytes: link.transport.maxBytes });
      }
    }
    return this.#openFrom(0);
  }

  /** Never throws on what the network does. `unreachable` for a kind of address that no transport carries. */
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    const link = this.#links[31 - Math.clz32(transmit.path.remote.kind)];
    if (link === undefined || this.#state !== "opened" || !this.#opened.includes(link.transport))
      return "unreachable";
    const outcome = link.transport.send(transmit, bytes);
    link.outcomes[outcome]++;
    if (outcome === "full") this.#setFlow(link, false);
    return outcome;
  }

  flush(): void {
    if (this.#state === "opened") for (const transport of this.#opened) transport.flush();
  }

  /**
   * Without doubles, at most 16: the best of each transport in their order, then the second of each. A contact holds only the
   * first few, and none of the ways to reach us should be missing there.
   */
  get localAddresses(): readonly Address[] {
    const lists = this.#opened.map(({ localAddresses }) => localAddresses);
    const byKey = new Map<string, Address>();
    for (let place = 0; lists.some(({ length }) => length > place); place++) {
      for (const list of lists) {
        const address = list[place];
        if (address !== undefined && byKey.size < maxLocalAddresses) byKey.set(address.key, address);
      }
    }
    return [...byKey.values()];
  }

  /** Closes every transport; a promise only where one of them returned one. The first error is thrown after all have closed. */
  close(): void | Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#inlet = undefined;
    for (const link of this.#links) if (link !== undefined) this.#addresses.setLink(link.kind, undefined);
    return closeAll(this.#opened);
  }

  /** Whether open sockets keep the process alive. */
  ref(): void {
    for (const transport of this.#transports) transport.ref?.();
  }

  unref(): void {
    for (const transport of this.#transports) transport.unref?.();
  }

  /** One entry for each kind of address that is carried. */
  stats(): readonly LinkStats[] {
    return this.#links.flatMap((link) =>
      link === undefined
        ? []
        : [{ kind: link.kind, link: link.number, open: link.open, outcomes: { ...link.outcomes } }],
    );
  }

  /** @internal what a transport has to say */
  deliver(event: NetworkEvent): void {
    this.#inlet?.deliver(event);
    this.#inlet?.wake();
  }

  /** @internal */
  onFlow(transport: Transport, kind: AddressKind, open: boolean): void {
    const link = this.#links[addressKinds.indexOf(kind)];
    if (link?.transport === transport) this.#setFlow(link, open);
  }

  /** @internal */
  onAddressesChanged(): void {
    if (this.#opened.length === this.#transports.length) this.#tellAddresses();
  }

  /** @internal */
  report(error: unknown): void {
    this.#inlet?.report(error);
  }

  #openFrom(first: number): void | Promise<void> {
    for (let index = first; index < this.#transports.length; index++) {
      const transport = this.#transports[index] as Transport;
      let opening: void | Promise<void>;
      try {
        opening = transport.open(new Sink(this, transport), this.#addresses);
      } catch (error) {
        return this.#giveUp(error);
      }
      if (opening !== undefined) {
        return opening.then(
          () => this.#afterOpening(transport, index),
          (error: unknown) => this.#giveUp(error),
        );
      }
      this.#opened = this.#opened.concat(transport);
    }
    this.#tellAddresses();
  }

  /** Somebody may have closed us while the transport was opening. */
  #afterOpening(transport: Transport, index: number): void | Promise<void> {
    if (this.#state === "closed") return closeAll([transport]);
    this.#opened = this.#opened.concat(transport);
    return this.#openFrom(index + 1);
  }

  #giveUp(error: unknown): void | Promise<void> {
    const closing = this.close();
    if (closing === undefined) throw error;
    const rethrow = (): never => {
      throw error;
    };
    return closing.then(rethrow, rethrow);
  }

  #setFlow(link: Link, open: boolean): void {
    if (link.open === open) return;
    link.open = open;
    const event = { type: "flow", link: link.number, open } as const;
    if (open) this.deliver(event);
    else this.#inlet?.deliver(event); // a closed link gives nobody anything to do
  }

  #tellAddresses(): void {
    this.deliver({ type: "addressesChanged", addresses: this.localAddresses });
  }
}

function numberLinks(transports: readonly Transport[]): (Link | undefined)[] {
  const links = new Array<Link | undefined>(addressKinds.length).fill(undefined);
  let number = 0;
  for (const transport of transports) {
    for (const kind of transport.kinds) {
      const place = addressKinds.indexOf(kind);
      if (links[place] !== undefined) {
        throw new UsageError(
          "invalidOption",
          `transports: two carry ${kind} addresses; allowed is one for each kind`,
        );
      }
      const outcomes = { sent: 0, queued: 0, full: 0, unreachable: 0 };
      links[place] = { kind, number: ++number, transport, open: true, outcomes };
    }
  }
  if (number === 0)
    throw new UsageError("invalidOption", "transports: there is none; allowed are one or more");
  return links;
}

function closeAll(transports: readonly Transport[]): void | Promise<void> {
  const closing: Promise<void>[] = [];
  const failures: unknown[] = [];
  for (const transport of transports) {
    try {
      const promise = transport.close();
      if (promise !== undefined) closing.push(promise);
    } catch (error) {
      failures.push(error);
    }
  }
  if (closing.length === 0) return throwFirst(failures);
  return Promise.allSettled(closing).then((results) => {
    for (const result of results) if (result.status === "rejected") failures.push(result.reason);
    throwFirst(failures);
  });
}

function throwFirst(failures: readonly unknown[]): void {
  if (failures.length > 0) throw failures[0];
}
