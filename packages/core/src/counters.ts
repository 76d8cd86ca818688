/**
 * The counters behind {@link NodeStats}: plain objects whose shape never changes.
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
  readonly dropped: Record<DropReason, number> = zeroes(dropReasons);
  readonly refused: Record<RefusalReason, number> = zeroes(refusalReasons);
  readonly contactsRefused: Record<ContactRefusal, number> = zeroes(contactRefusals);
  readonly misbehaviour: Record<RemoteErrorCode, number> = zeroes(remoteErrorCodes);
}

function zeroes<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
