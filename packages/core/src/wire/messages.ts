/**
 * The native wire in numbers: codes, flags and bounds. docs/wire-format.md draws the layouts.
 */
import type { RequestType, ResponseType } from "../protocol.ts";

/** First byte of every plain message. 0 to 3 are STUN's, 5 to 10 the secure channel's: one socket may carry all. */
export const wireVersion = 4;

/** version, kind, flags, request id; the sender's id follows. */
export const headerBytesBeforeSender = 11;

export const requestCodes: Readonly<Record<RequestType, number>> = {
  ping: 1,
  findNode: 2,
  getValue: 3,
  putValue: 4,
  getProviders: 5,
  addProvider: 6,
  application: 7,
};

/** Every response has this bit; the rest is the code of its request, but for `refused` and for addProvider's `stored`. */
export const responseBit = 0x80;

export const responseCodes: Readonly<Record<ResponseType, number>> = {
  pong: 0x81,
  nodes: 0x82,
  value: 0x83,
  stored: 0x84,
  providers: 0x85,
  application: 0x87,
  refused: 0xff,
};

/** Bits 0 to 5 of the flags: the kinds of address that the asker can dial. */
export const wantMask = 0x3f;
export const addressesFlag = 0x40;
export const clientFlag = 0x80;

/** The options byte of findNode. */
export const wantTokenOption = 0x01;

/** The options byte of putValue. */
export const expectedSeqOption = 0x01;

/** Every message but those of applications fits this: an ACCEPT of the secure channel carries as much (1,200 − 57). */
export const maxMessageBytes = 1_143;

/** Requests that may draw a large answer are filled up to this: three times it is over {@link maxMessageBytes}. */
export const paddedBytes = 400;

export const tokenBytes = 8;

/** A nodes answer that cannot hold so many contacts, or all if there are fewer, is not written. */
export const minContacts = 4;

/** More contacts in one answer are malformed: three times the largest k in use, and still bounded on a 1 MiB stream. */
export const maxContacts = 64;

export const maxProtocolNameBytes = 64;

/** Longest body of an application message; on a datagram its room ends earlier. */
export const maxApplicationBodyBytes = 65_536;
