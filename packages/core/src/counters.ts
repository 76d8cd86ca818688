/**
 * The counters behind {@link NodeStats}.
 */
import type { RemoteErrorCode } from "./events.ts";
import { type RefusalReason, refusalReasons } from "./protocol.ts";
import type { ContactRefusal, DropReason } from "./stats.ts";

const dropReasons: readonly DropReason[] = [
  "tooShort",
  "wrongVersion",
  "unknownRequest",
  "unknownResponse",
  "badAddress",
  "badBody",
  "closed",
  "ownId",
  "wrongSender",
  "wrongSource",
  "wrongType",
  "duplicate",
  "rateLimited",
  "banned",
  "repliesFull",
];
const contactRefusals: readonly ContactRefusal[] = [
  "self",
  "client",
  "subnetInBucket",
  "subnetInTable",
  "incomingInBucket",
  "noAddress",
  "unreachableKind",
  "busy",
];
const remoteErrorCodes: readonly RemoteErrorCode[] = [
  "malformed",
  "ownId",
  "wrongSender",
  "unexpectedResponse",
  "invalidValue",
  "tooManyContacts",
  "rateLimited",
];

export class Counters {
  messagesReceived = 0;
  messagesSent = 0;
  bytesReceived = 0;
  bytesSent = 0;
  requestsReceived = 0;
  responsesReceived = 0;
  requestTimeouts = 0;
  readonly dropped: Tally<DropReason> = new Tally(none.dropped);
  readonly refused: Tally<RefusalReason> = new Tally(none.refused);
  readonly contactsRefused: Tally<ContactRefusal> = new Tally(none.contactsRefused);
  readonly misbehaviour: Tally<RemoteErrorCode> = new Tally(none.misbehaviour);
}

/** How often each of several reasons came up; room for that is made when the first one does. */
export class Tally<K extends string> {
  readonly #none: Readonly<Record<K, number>>;
  #counts: Record<K, number> | undefined = undefined;

  /** @param none every reason, with 0 */
  constructor(none: Readonly<Record<K, number>>) {
    this.#none = none;
  }

  add(reason: K): void {
    this.#counts ??= { ...this.#none };
    this.#counts[reason]++;
  }

  /** The object is the caller's. */
  counts(): Record<K, number> {
    return { ...(this.#counts ?? this.#none) };
  }
}

const none = {
  dropped: zeroes(dropReasons),
  refused: zeroes(refusalReasons),
  contactsRefused: zeroes(contactRefusals),
  misbehaviour: zeroes(remoteErrorCodes),
} as const;

function zeroes<K extends string>(names: readonly K[]): Readonly<Record<K, number>> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
