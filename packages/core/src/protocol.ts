/**
 * What is said between nodes, apart from how it is written: the messages, and the plug that a wire format fits into.
 *
 * Kademlia §2.3 has four requests (PING, STORE, FIND_NODE, FIND_VALUE); ours are those, two for providers, and
 * `application`, which carries the messages of plugins. `nativeProtocol` is the default; a foreign network is another `Protocol`.
 */
import type { Address } from "./address.ts";
import type { Contact } from "./contact.ts";
import type { NodeId } from "./node-id.ts";
import type { Provider } from "./provider.ts";
import type { RecordKey } from "./record.ts";

/** 64 random bits in two halves. A request's id is its only secret on a plain wire: replies must echo it. */
export interface RequestId {
  readonly high: number;
  readonly low: number;
}

/** A record as it travels: the lifetime is what remains, as a duration (clocks differ, durations do not). */
export interface WireRecord {
  readonly typeCode: number;
  readonly key: RecordKey;
  readonly lifetimeMs: number;
  /** Borrowed from the message when decoded. */
  readonly body: Uint8Array;
}

export type Request =
  | { readonly type: "ping" }
  /** `wantToken`: the asker means to store under this key afterwards, so the answer carries a write token. */
  | { readonly type: "findNode"; readonly target: NodeId; readonly wantToken: boolean }
  | { readonly type: "getValue"; readonly key: RecordKey }
  | {
      readonly type: "putValue";
      readonly token: Uint8Array | undefined;
      readonly record: WireRecord;
      /** Compare-and-swap: refused where a record with a larger sequence number stands. 0 to 2^53 − 1. */
      readonly expectedSeq?: number;
    }
  /** `cursor`: where the page before ended, empty for the first. 0 to 8 bytes, known to the holder that gave it alone. */
  | { readonly type: "getProviders"; readonly key: RecordKey; readonly cursor: Uint8Array }
  /** The sender itself serves `key`, for so long and with so much to say (0 to 512 bytes); 0 ms withdraws it. */
  | {
      readonly type: "addProvider";
      readonly token: Uint8Array | undefined;
      readonly key: RecordKey;
      readonly lifetimeMs: number;
      readonly meta: Uint8Array;
    }
  | { readonly type: "application"; readonly protocol: string; readonly body: Uint8Array };

export type RequestType = Request["type"];

export type Response =
  | { readonly type: "pong" }
  /** Answers findNode, and getValue where the value is not held. The closest first; at least four where so many are known. */
  | { readonly type: "nodes"; readonly contacts: readonly Contact[]; readonly token: Uint8Array | undefined }
  | { readonly type: "value"; readonly record: WireRecord }
  | { readonly type: "stored" }
  /**
   * Answers getProviders: as many as fit, in an order of the holder's, and a cursor for the next page (empty: there is
   * none). The first page brings the closest contacts too, the others none.
   */
  | {
      readonly type: "providers";
      readonly providers: readonly Provider[];
      readonly cursor: Uint8Array;
      readonly contacts: readonly Contact[];
    }
  | { readonly type: "application"; readonly body: Uint8Array }
  | { readonly type: "refused"; readonly reason: RefusalReason };

export type ResponseType = Response["type"];

/** Why a peer did not do what was asked. The number on the wire is the position in {@link refusalReasons} plus one. */
export type RefusalReason = (typeof refusalReasons)[number];

export const refusalReasons: readonly [
  "unsupported", // a request, or a record type, that this node does not know
  "malformed", // a request whose body cannot be read
  "badToken", // the write token is missing, wrong or too old: ask again with findNode
  "invalidRecord", // the record's validator refuses it
  "superseded", // a newer record stands under this key
  "full", // the store has no room
  "busy", // a queue is full: ask later
  "noHandler", // no plugin takes messages of this protocol
  "tooLarge", // the record or body is over this node's limit
  "noAddress", // a provider that can neither be seen nor says where it can be reached
  "expired", // the record says of itself that it is over, by this node's clock
] = [
  "unsupported",
  "malformed",
  "badToken",
  "invalidRecord",
  "superseded",
  "full",
  "busy",
  "noHandler",
  "tooLarge",
  "noAddress",
  "expired",
];

interface Envelope {
  readonly requestId: RequestId;
  readonly sender: NodeId;
  /** The sender only asks: it is answered, but never inserted in a table nor handed out. */
  readonly client: boolean;
  /** Where the sender says it can be reached; empty where the observed address says it all. At most 4. */
  readonly addresses: readonly Address[];
}

export interface RequestMessage extends Envelope {
  readonly kind: "request";
  /** Kinds of address that the asker can dial, as bits of `Address.kind`. */
  readonly want: number;
  readonly body: Request;
}

export interface ResponseMessage extends Envelope {
  readonly kind: "response";
  readonly body: Response;
}

export type Message = RequestMessage | ResponseMessage;

/**
 * Bytes that are no message. `requestId` is there where the header of a request could be read, so that we can answer;
 * never for a response, since nobody may be made to answer an answer.
 */
export interface Malformed {
  readonly kind: "malformed";
  readonly reason: MalformedReason;
  readonly requestId?: RequestId;
}

export type MalformedReason =
  | "tooShort"
  | "wrongVersion"
  | "unknownRequest" // a request of a kind that we do not know: answered `unsupported`
  | "unknownResponse"
  | "badAddress"
  | "badBody";

/**
 * A wire format. Stateless as far as meaning goes (caches are its own affair); one may serve many nodes.
 * `decode` never throws; the byte fields of what it returns are views of `bytes`, borrowed like `bytes` itself, while
 * ids, addresses and contacts are owned.
 */
export interface Protocol {
  readonly name: string;
  /** Ids and keys, in bytes. */
  readonly idBytes: number;
  /** Requests that exist here; commands that need others end `exhausted` with the reason `unsupported`. */
  readonly requests: ReadonlySet<RequestType>;
  decode(bytes: Uint8Array): Message | Malformed;
  /**
   * Writes the message into `into[0..room)` and returns its length in bytes, or `undefined` when it does not fit.
   * A `nodes` response is cut to the contacts that fit and does not fit only below four (or all, if fewer); so is a
   * `providers` response, whose providers are written all or not at all, since its cursor counts them.
   * With `padded`, requests that may draw a large answer are filled with zeros to a third of the largest answer,
   * so that nobody is ever sent more than three times what they sent.
   */
  encode(message: Message, into: Uint8Array, room: number, padded: boolean): number | undefined;
  /**
   * The contact with this id and this address alone, where one was read or written before: so that all who meet it have
   * one object. A wire that keeps none leaves this out.
   */
  knownContact?(id: NodeId, address: Address): Contact | undefined;
}
