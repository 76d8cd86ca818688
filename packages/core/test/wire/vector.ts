/**
 * The frozen vectors of packages/testkit/vectors as objects: ids and bytes in hex, addresses as URLs, lifetimes in
 * seconds, and `null` for what is absent, so that a port to another language can read the same files.
 */
import { readFileSync } from "node:fs";
import type { AddressTable } from "../../src/address-table.ts";
import { NodeId } from "../../src/node-id.ts";
import type { MalformedReason, Message, RefusalReason, Request, Response } from "../../src/protocol.ts";

interface RecordVector {
  readonly typeCode: number;
  readonly key: string;
  readonly lifetimeSeconds: number;
  readonly body: string;
}

interface ContactVector {
  readonly id: string;
  readonly addresses: readonly string[];
}

interface BodyVector {
  readonly type: Request["type"] | Response["type"];
  readonly target?: string;
  readonly key?: string;
  readonly wantToken?: boolean;
  readonly token?: string | null;
  readonly record?: RecordVector;
  readonly expectedSeq?: number;
  readonly contacts?: readonly ContactVector[];
  readonly cursor?: string;
  readonly lifetimeSeconds?: number;
  readonly meta?: string;
  readonly providers?: readonly (ContactVector & {
    readonly lifetimeSeconds: number;
    readonly meta: string;
  })[];
  readonly protocol?: string;
  readonly body?: string;
  readonly reason?: RefusalReason;
}

export interface MessageVector {
  readonly kind: "request" | "response";
  /** 8 bytes. */
  readonly requestId: string;
  readonly sender: string;
  readonly client: boolean;
  readonly addresses: readonly string[];
  /** Of requests only. */
  readonly want?: number;
  readonly body: BodyVector;
}

export interface MessageVectors {
  readonly messages: readonly {
    readonly name: string;
    readonly hex: string;
    readonly message: MessageVector;
  }[];
  readonly malformed: readonly {
    readonly name: string;
    readonly hex: string;
    readonly reason: MalformedReason;
    readonly requestId?: string;
  }[];
}

export interface AddressVectors {
  readonly addresses: readonly { readonly text: string; readonly hex: string }[];
  readonly canonicalized: readonly { readonly text: string; readonly canonical: string }[];
  readonly refusedTexts: readonly string[];
  readonly refusedBytes: readonly { readonly name: string; readonly hex: string }[];
}

export function readVectors<T>(name: string): T {
  const file = new URL(`../../../testkit/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A vector's meaning as a message; its addresses are those of `table`. */
export function toMessage(vector: MessageVector, table: AddressTable): Message {
  const { kind, requestId, sender, client, addresses, want = 0, body } = vector;
  const envelope = {
    requestId: {
      high: Number.parseInt(requestId.slice(0, 8), 16),
      low: Number.parseInt(requestId.slice(8), 16),
    },
    sender: NodeId.fromHex(sender),
    client,
    addresses: addresses.map((text) => table.parse(text)),
  };
  return kind === "request"
    ? { kind, ...envelope, want, body: toBody(body, table) as Request }
    : { kind, ...envelope, body: toBody(body, table) as Response };
}

function toBody(vector: BodyVector, table: AddressTable): unknown {
  const { type, target, key, wantToken, token, record, contacts, protocol, body, reason } = vector;
  const { cursor, lifetimeSeconds, meta, providers, expectedSeq } = vector;
  const toContact = ({ id, addresses }: ContactVector) => ({
    id: NodeId.fromHex(id),
    addresses: addresses.map((text) => table.parse(text)),
  });
  return {
    type,
    ...(target !== undefined && { target: NodeId.fromHex(target), wantToken }),
    ...(key !== undefined && { key: NodeId.fromHex(key) }),
    ...(token !== undefined && { token: token === null ? undefined : fromHex(token) }),
    ...(record !== undefined && {
      record: {
        typeCode: record.typeCode,
        key: NodeId.fromHex(record.key),
        lifetimeMs: record.lifetimeSeconds * 1_000,
        body: fromHex(record.body),
      },
    }),
    ...(expectedSeq !== undefined && { expectedSeq }),
    ...(contacts !== undefined && {
      contacts: contacts.map(toContact),
    }),
    ...(cursor !== undefined && { cursor: fromHex(cursor) }),
    ...(lifetimeSeconds !== undefined && { lifetimeMs: lifetimeSeconds * 1_000 }),
    ...(meta !== undefined && { meta: fromHex(meta) }),
    ...(providers !== undefined && {
      providers: providers.map((provider) => ({
        contact: toContact(provider),
        meta: fromHex(provider.meta),
        lifetimeMs: provider.lifetimeSeconds * 1_000,
      })),
    }),
    ...(protocol !== undefined && { protocol }),
    ...(body !== undefined && { body: fromHex(body) }),
    ...(reason !== undefined && { reason }),
  };
}
