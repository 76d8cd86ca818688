/**
 * A holder's side of the two requests about providers: who is taken, and what fits an answer.
 */
import type { Address } from "./address.ts";
import { boundAddresses, type Contact } from "./contact.ts";
import type { InstantMs, Path } from "./machine.ts";
import type { RefusalReason, Request, RequestMessage, Response } from "./protocol.ts";
import type { Provider } from "./provider.ts";
import { type ProviderKeeper, providerBytes } from "./provider-keeper.ts";
import type { ProviderRules } from "./provider-rules.ts";
import type { RecordKey } from "./record.ts";
import { maxContacts, maxMessageBytes, minContacts } from "./wire/messages.ts";

export interface ProviderAnswersOptions {
  readonly providers: ProviderKeeper;
  readonly providerRules: ProviderRules;
  /** What we ourselves announce under a key, while others can reach us. */
  readonly announcer: { provider(key: RecordKey): Provider | undefined };
  /** Who a message is from, as far as is known: a proven peer, else a host; `undefined`: exempt. */
  sourceOf(path: Path): string | undefined;
  /** The subnet that pays; `undefined`: exempt. */
  groupOf(address: Address): string | undefined;
}

/** What somebody wants to know. */
export interface ProvidersAsked {
  readonly key: RecordKey;
  /** Owned. */
  readonly cursor: Uint8Array;
  readonly admits: (contact: Contact) => boolean;
  /** The closest to the key; asked for with the first page only. */
  readonly closest: () => readonly Contact[];
}

/** Room is kept for so many contacts as a find needs, where they take no more than that: 8 with an IPv4 address do. */
const usualContacts = 8;
const usualContactsBytes = 360;
/** version, kind, flags, request id, sender; a cursor of 8 with its length, two counts: what is neither provider nor contact. */
const frameBytes = 11 + 32 + 9 + 2;

export class ProviderAnswers {
  readonly #options: ProviderAnswersOptions;

  constructor(options: ProviderAnswersOptions) {
    this.#options = options;
  }

  /** `undefined`: done. A provider is reached where it was seen, unless it is a client, and where it says. */
  add(
    nowMs: InstantMs,
    { sender, client, addresses: declared }: Pick<RequestMessage, "sender" | "client" | "addresses">,
    { key, lifetimeMs, meta }: Extract<Request, { type: "addProvider" }>,
    from: Path,
  ): RefusalReason | undefined {
    const isSeen = from.dialable && !client;
    const addresses = isSeen ? boundAddresses([from.remote, ...declared]) : declared;
    if (addresses.length === 0 && lifetimeMs !== 0) return "noAddress";
    const { providerRules } = this.#options;
    const isWithdrawal = lifetimeMs === 0;
    if (!isWithdrawal && providerRules.faultOf(key, sender, meta) !== undefined) return "invalidRecord";
    const longestMs = isWithdrawal ? 0 : providerRules.longestMs(meta);
    if (!isWithdrawal && !(longestMs > 0)) return "expired";
    const origin = {
      host: this.#options.sourceOf(from),
      source: this.#options.groupOf(from.remote),
      isProven: from.peer !== undefined,
    };
    return this.#options.providers.accept(
      nowMs,
      { key, contact: { id: sender, addresses }, lifetimeMs: Math.min(lifetimeMs, longestMs), meta },
      origin,
    );
  }

  /**
   * Writes a page with `write`, which returns `undefined` where it does not fit `roomBytes`: an estimate that was wrong,
   * on a wire that is not ours, is halved, and at last there are contacts alone.
   */
  answer(
    nowMs: InstantMs,
    asked: ProvidersAsked,
    roomBytes: number,
    write: (body: Response) => number | undefined,
  ): number | undefined {
    const contacts = asked.cursor.length === 0 ? asked.closest() : [];
    const room = Math.max(0, Math.min(roomBytes, maxMessageBytes) - frameBytes - reserve(contacts));
    const attempt = (maxBytes: number) =>
      write({ type: "providers", ...this.#page(nowMs, asked, maxBytes), contacts });
    return attempt(room) ?? attempt(Math.floor(room / 2)) ?? attempt(0);
  }

  /** We ourselves come first: no other provider is as certain to be there. */
  #page(
    nowMs: InstantMs,
    { key, cursor, admits }: ProvidersAsked,
    maxBytes: number,
  ): { readonly providers: readonly Provider[]; readonly cursor: Uint8Array } {
    const { providers, announcer } = this.#options;
    const ourselves = cursor.length === 0 ? announcer.provider(key) : undefined;
    const ownBytes = ourselves === undefined ? 0 : providerBytes(ourselves);
    if (ourselves === undefined || !admits(ourselves.contact) || ownBytes > maxBytes)
      return providers.page(nowMs, key, { cursor, maxBytes, maxCount: maxContacts, admits });
    const request = { cursor, maxBytes: maxBytes - ownBytes, maxCount: maxContacts - 1, admits };
    const page = providers.page(nowMs, key, request);
    return { providers: [ourselves, ...page.providers], cursor: page.cursor };
  }
}

/** Bytes that providers leave to contacts. */
function reserve(contacts: readonly Contact[]): number {
  let bytes = 0;
  for (const [i, { id, addresses }] of contacts.entries()) {
    let next = id.length + 1;
    for (const { wire } of addresses) next += wire.length;
    if (i >= usualContacts || (i >= minContacts && bytes + next > usualContactsBytes)) break;
    bytes += next;
  }
  return bytes;
}
