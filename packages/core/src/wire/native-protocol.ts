/**
 * The native wire: our own messages as bytes, plain. docs/wire-format.md is its description for other languages.
 *
 *     version 4 | kind 1 | flags 1 | request id 8 | sender | [addresses] | body
 *
 * A fixed layout, read by position: an answer of 20 contacts is read at the speed of comparing its bytes with what was
 * heard before. After the body anything may follow and is ignored: padding today, fields of later versions tomorrow.
 */
import type { Address, AddressCodec } from "../address.ts";
import type { Contact } from "../contact.ts";
import { UsageError } from "../errors.ts";
import { maxIdBytes, NodeId } from "../node-id.ts";
import {
  type Malformed,
  type MalformedReason,
  type Message,
  type Protocol,
  type RefusalReason,
  type Request,
  type RequestId,
  type RequestType,
  type Response,
  type ResponseType,
  refusalReasons,
  type WireRecord,
} from "../protocol.ts";
import { ContactCodec, noAddresses, writableCount } from "./contact-codec.ts";
import {
  addressesFlag,
  clientFlag,
  expectedSeqOption,
  headerBytesBeforeSender,
  maxApplicationBodyBytes,
  maxMessageBytes,
  maxProtocolNameBytes,
  paddedBytes,
  requestCodes,
  responseBit,
  responseCodes,
  tokenBytes,
  wantMask,
  wantTokenOption,
  wireVersion,
} from "./messages.ts";
import {
  lifetimeSeconds,
  readCursor,
  readMeta,
  readProviders,
  writeCursor,
  writeMeta,
  writeProviders,
} from "./provider-codec.ts";
import { Reader, readU32 } from "./reader.ts";
import { Writer } from "./writer.ts";

export interface NativeProtocolOptions {
  /** Reads the addresses in messages, usually an `AddressTable`. */
  readonly addresses: AddressCodec;
  /** Contacts, with their ids, that are kept for reuse; 1,024 by default. Room is made for them as they come. */
  readonly contactCacheSize?: number;
  /** Length of ids and keys, 1 to 64; 32 by default. */
  readonly idBytes?: number;
}

/**
 * The native wire. Its `encode` returns `undefined` too for what the layout has no form for: an id of another length, a
 * token of other than 8 bytes, a type code outside 1 to 255, a name that is not 1 to 64 printable ASCII characters.
 * @throws UsageError `invalidOption`
 */
export function nativeProtocol(options: NativeProtocolOptions): Protocol {
  return new NativeProtocol(options);
}

const typesByCode = {
  request: byCode(requestCodes),
  response: byCode(responseCodes),
};

function byCode<T extends string>(codes: Readonly<Record<T, number>>): readonly (T | undefined)[] {
  const types = new Array<T | undefined>(256).fill(undefined);
  for (const type of Object.keys(codes) as T[]) types[codes[type]] = type;
  return types;
}

const allRequests: ReadonlySet<RequestType> = new Set(Object.keys(requestCodes) as RequestType[]);

class NativeProtocol implements Protocol {
  readonly name = "kad/1";
  readonly idBytes: number;
  readonly requests: ReadonlySet<RequestType> = allRequests;
  readonly #contacts: ContactCodec;
  readonly #reader: Reader = new Reader();
  readonly #writer: Writer = new Writer();

  constructor(options: NativeProtocolOptions) {
    const { addresses, contactCacheSize = 1_024, idBytes = 32 } = options;
    checkRange("idBytes", idBytes, maxIdBytes);
    checkRange("contactCacheSize", contactCacheSize, 2 ** 20);
    this.idBytes = idBytes;
    this.#contacts = new ContactCodec(idBytes, addresses, contactCacheSize);
  }

  decode(bytes: Uint8Array): Message | Malformed {
    if (bytes.length === 0) return { kind: "malformed", reason: "tooShort" };
    if (bytes[0] !== wireVersion) return { kind: "malformed", reason: "wrongVersion" };
    if (bytes.length < headerBytesBeforeSender + this.idBytes)
      return { kind: "malformed", reason: "tooShort" };
    const requestId: RequestId = { high: readU32(bytes, 3), low: readU32(bytes, 7) };
    const reader = this.#reader;
    reader.open(bytes, headerBytesBeforeSender + this.idBytes);
    const message = this.#readMessage(bytes, requestId, reader);
    reader.close();
    if (typeof message !== "string") return message;
    // Without an id for a response: nobody may be made to answer an answer.
    const isRequest = (bytes[1] as number) < responseBit;
    return { kind: "malformed", reason: message, ...(isRequest && { requestId }) };
  }

  encode(message: Message, into: Uint8Array, room: number, padded: boolean): number | undefined {
    const writer = this.#writer;
    const length = this.#writeMessage(message, writer, into, room);
    writer.close();
    if (length === undefined || length >= paddedBytes || !padded || !drawsLargeAnswer(message)) return length;
    if (Math.min(room, into.length) < paddedBytes) return undefined;
    into.fill(0, length, paddedBytes);
    return paddedBytes;
  }

  knownContact(id: NodeId, address: Address): Contact | undefined {
    return this.#contacts.find(id, address);
  }

  #readMessage(bytes: Uint8Array, requestId: RequestId, reader: Reader): Message | MalformedReason {
    const code = bytes[1] as number;
    const flags = bytes[2] as number;
    const requestType = typesByCode.request[code];
    const responseType = typesByCode.response[code];
    if (requestType === undefined && responseType === undefined) {
      return code < responseBit ? "unknownRequest" : "unknownResponse";
    }
    const sender = this.#contacts.readId(bytes, headerBytesBeforeSender);
    const client = (flags & clientFlag) !== 0;
    const addresses = (flags & addressesFlag) === 0 ? noAddresses : this.#contacts.readAddresses(reader);
    if (addresses === undefined) return "badAddress";
    if (requestType !== undefined) {
      const body = this.#readRequest(requestType, reader);
      if (body === undefined || reader.failed) return "badBody";
      return { kind: "request", requestId, sender, client, addresses, want: flags & wantMask, body };
    }
    const body = this.#readResponse(responseType as ResponseType, reader);
    if (typeof body === "string") return body;
    return reader.failed ? "badBody" : { kind: "response", requestId, sender, client, addresses, body };
  }

  /** `undefined` when malformed; what is returned counts only if the reader has not failed. */
  #readRequest(type: RequestType, reader: Reader): Request | undefined {
    switch (type) {
      case "ping":
        return { type };
      case "findNode": {
        const target = this.#readId(reader);
        const wantToken = (reader.u8() & wantTokenOption) !== 0;
        return target && { type, target, wantToken };
      }
      case "getValue": {
        const key = this.#readId(reader);
        return key && { type, key };
      }
      case "putValue": {
        const token = readToken(reader);
        const record = this.#readRecord(reader);
        const expectedSeq = readExpectedSeq(reader);
        if (token === "malformed" || record === undefined || expectedSeq === "malformed") return undefined;
        return expectedSeq === undefined ? { type, token, record } : { type, token, record, expectedSeq };
      }
      case "getProviders": {
        const key = this.#readId(reader);
        const cursor = readCursor(reader);
        return key && cursor && { type, key, cursor };
      }
      case "addProvider": {
        const token = readToken(reader);
        const key = this.#readId(reader);
        const lifetimeMs = reader.u32() * 1_000;
        const meta = readMeta(reader);
        if (token === "malformed" || key === undefined || meta === undefined) return undefined;
        return { type, token, key, lifetimeMs, meta };
      }
      case "application": {
        const protocol = readProtocolName(reader);
        const body = readApplicationBody(reader);
        return protocol === undefined || body === undefined ? undefined : { type, protocol, body };
      }
    }
  }

  #readResponse(type: ResponseType, reader: Reader): Response | MalformedReason {
    switch (type) {
      case "pong":
      case "stored":
        return { type };
      case "nodes":
        return this.#readNodes(reader);
      case "value": {
        const record = this.#readRecord(reader);
        return record === undefined ? "badBody" : { type, record };
      }
      case "providers":
        return readProviders(reader, this.#contacts);
      case "application": {
        const body = readApplicationBody(reader);
        return body === undefined ? "badBody" : { type, body };
      }
      case "refused": {
        const code = reader.u8();
        if (code === 0) return "badBody";
        // A reason of a later version is a refusal all the same.
        return { type, reason: refusalReasons[code - 1] ?? "unsupported" };
      }
    }
  }

  #readNodes(reader: Reader): Response | MalformedReason {
    const token = readToken(reader);
    if (token === "malformed") return "badBody";
    const contacts = this.#contacts.readContacts(reader);
    if (typeof contacts === "string") return contacts;
    return { type: "nodes", contacts, token };
  }

  #readId(reader: Reader): NodeId | undefined {
    const at = reader.take(this.idBytes);
    return at === undefined ? undefined : NodeId.fromBytes(reader.bytes, at, this.idBytes);
  }

  #readRecord(reader: Reader): WireRecord | undefined {
    const typeCode = reader.u8();
    const key = this.#readId(reader);
    const lifetimeSeconds = reader.u32();
    const body = reader.view(reader.u16());
    if (typeCode === 0 || key === undefined || lifetimeSeconds === 0) return undefined;
    return { typeCode, key, lifetimeMs: lifetimeSeconds * 1_000, body };
  }

  /** Declared addresses yield where the body needs their room: a value of full size leaves none. */
  #writeMessage(message: Message, writer: Writer, into: Uint8Array, room: number): number | undefined {
    if (message.sender.length !== this.idBytes) return undefined;
    const bound = message.body.type === "application" ? room : Math.min(room, maxMessageBytes);
    if (writableCount(message.addresses) > 0) {
      const length = this.#tryMessage(message, message.addresses, writer, into, bound);
      if (length !== undefined) return length;
    }
    return this.#tryMessage(message, noAddresses, writer, into, bound);
  }

  #tryMessage(
    message: Message,
    addresses: readonly Address[],
    writer: Writer,
    into: Uint8Array,
    room: number,
  ): number | undefined {
    const { kind, requestId, sender, client } = message;
    writer.open(into, room);
    writer.u8(wireVersion);
    writer.u8(kind === "request" ? requestCodes[message.body.type] : responseCodes[message.body.type]);
    const want = kind === "request" ? message.want & wantMask : 0;
    writer.u8(want | (addresses.length > 0 ? addressesFlag : 0) | (client ? clientFlag : 0));
    writer.u32(requestId.high);
    writer.u32(requestId.low);
    writer.id(sender);
    if (addresses.length > 0) this.#contacts.writeAddresses(writer, addresses);
    if (kind === "request") this.#writeRequest(message.body, writer);
    else this.#writeResponse(message.body, writer);
    return writer.failed ? undefined : writer.offset;
  }

  #writeRequest(body: Request, writer: Writer): void {
    switch (body.type) {
      case "ping":
        return;
      case "findNode":
        this.#writeId(body.target, writer);
        writer.u8(body.wantToken ? wantTokenOption : 0);
        return;
      case "getValue":
        this.#writeId(body.key, writer);
        return;
      case "putValue":
        writeToken(body.token, writer);
        this.#writeRecord(body.record, writer);
        writeExpectedSeq(body.expectedSeq, writer);
        return;
      case "getProviders":
        this.#writeId(body.key, writer);
        writeCursor(body.cursor, writer);
        return;
      case "addProvider":
        writeToken(body.token, writer);
        this.#writeId(body.key, writer);
        writer.u32(body.lifetimeMs === 0 ? 0 : lifetimeSeconds(body.lifetimeMs));
        writeMeta(body.meta, writer);
        return;
      case "application":
        if (!isProtocolName(body.protocol)) writer.failed = true;
        writer.u8(body.protocol.length);
        writer.ascii(body.protocol);
        writeApplicationBody(body.body, writer);
    }
  }

  #writeResponse(body: Response, writer: Writer): void {
    switch (body.type) {
      case "pong":
      case "stored":
        return;
      case "nodes":
        writeToken(body.token, writer);
        this.#contacts.writeContacts(body.contacts, writer);
        return;
      case "value":
        this.#writeRecord(body.record, writer);
        return;
      case "providers":
        writeProviders(body, writer, this.#contacts);
        return;
      case "application":
        writeApplicationBody(body.body, writer);
        return;
      case "refused":
        writer.u8(refusalCode(body.reason));
    }
  }

  #writeId(id: NodeId, writer: Writer): void {
    if (id.length !== this.idBytes) writer.failed = true;
    else writer.id(id);
  }

  #writeRecord(record: WireRecord, writer: Writer): void {
    const { typeCode, key, lifetimeMs, body } = record;
    if (!(typeCode >= 1 && typeCode <= 255)) writer.failed = true;
    writer.u8(typeCode);
    this.#writeId(key, writer);
    writer.u32(lifetimeSeconds(lifetimeMs));
    writer.u16(body.length);
    writer.bytesOf(body);
  }
}

function checkRange(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new UsageError(
    "invalidOption",
    `${name}: ${String(value)}; allowed is a whole number from 1 to ${max}`,
  );
}

function drawsLargeAnswer(message: Message): boolean {
  if (message.kind !== "request") return false;
  const { type } = message.body;
  return type === "findNode" || type === "getValue" || type === "getProviders" || type === "application";
}

function refusalCode(reason: RefusalReason): number {
  return refusalReasons.indexOf(reason) + 1;
}

function readToken(reader: Reader): Uint8Array | undefined | "malformed" {
  const length = reader.u8();
  if (length === 0) return undefined;
  return length === tokenBytes ? reader.view(length) : "malformed";
}

function writeToken(token: Uint8Array | undefined, writer: Writer): void {
  if (token === undefined) {
    writer.u8(0);
    return;
  }
  if (token.length !== tokenBytes) writer.failed = true;
  writer.u8(token.length);
  writer.bytesOf(token);
}

/** An options byte, which only those write who set an option. */
function readExpectedSeq(reader: Reader): number | undefined | "malformed" {
  if (reader.left === 0 || (reader.u8() & expectedSeqOption) === 0) return undefined;
  const seq = reader.u32() * 2 ** 32 + reader.u32();
  return Number.isSafeInteger(seq) ? seq : "malformed";
}

function writeExpectedSeq(seq: number | undefined, writer: Writer): void {
  if (seq === undefined) return;
  if (!Number.isSafeInteger(seq) || seq < 0) writer.failed = true;
  writer.u8(expectedSeqOption);
  writer.u32(Math.floor(seq / 2 ** 32));
  writer.u32(seq % 2 ** 32);
}

function readProtocolName(reader: Reader): string | undefined {
  const length = reader.u8();
  if (length < 1 || length > maxProtocolNameBytes) return undefined;
  const name = String.fromCharCode.apply(undefined, reader.view(length) as unknown as number[]);
  return isProtocolName(name) ? name : undefined;
}

/** 1 to 64 printable ASCII characters, the space among them. */
function isProtocolName(name: string): boolean {
  if (name.length < 1 || name.length > maxProtocolNameBytes) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

function readApplicationBody(reader: Reader): Uint8Array | undefined {
  const length = reader.u32();
  return length > maxApplicationBodyBytes ? undefined : reader.view(length);
}

function writeApplicationBody(body: Uint8Array, writer: Writer): void {
  if (body.length > maxApplicationBodyBytes) writer.failed = true;
  writer.u32(body.length);
  writer.bytesOf(body);
}
