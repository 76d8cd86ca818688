/**
 * A page of providers as it stands in a message.
 *
 *     page     = cursor | count u8 | provider … | count u8 | contact …
 *     cursor   = length u8 (0 to 8) | bytes
 *     provider = contact | lifetime u32 | meta length u16 (0 to 512) | meta
 */
import type { MalformedReason, Response } from "../protocol.ts";
import { maxProviderCursorBytes, maxProviderMetaBytes, type Provider } from "../provider.ts";
import type { ContactCodec } from "./contact-codec.ts";
import { maxContacts } from "./messages.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

type Page = Extract<Response, { type: "providers" }>;

/** `undefined` when malformed. The bytes are borrowed. */
export function readCursor(reader: Reader): Uint8Array | undefined {
  const length = reader.u8();
  return length > maxProviderCursorBytes ? undefined : reader.view(length);
}

export function writeCursor(cursor: Uint8Array, writer: Writer): void {
  if (cursor.length > maxProviderCursorBytes) writer.failed = true;
  writer.u8(cursor.length);
  writer.bytesOf(cursor);
}

/** `undefined` when malformed. The bytes are borrowed. */
export function readMeta(reader: Reader): Uint8Array | undefined {
  const length = reader.u16();
  return length > maxProviderMetaBytes ? undefined : reader.view(length);
}

export function writeMeta(meta: Uint8Array, writer: Writer): void {
  if (meta.length > maxProviderMetaBytes) writer.failed = true;
  writer.u16(meta.length);
  writer.bytesOf(meta);
}

/** Rounded up, so that what still lives does not arrive dead; at most 136 years. */
export function lifetimeSeconds(lifetimeMs: number): number {
  const seconds = Math.ceil(lifetimeMs / 1_000);
  return seconds >= 1 ? Math.min(seconds, 0xffff_ffff) : 1;
}

export function readProviders(reader: Reader, contacts: ContactCodec): Page | MalformedReason {
  const cursor = readCursor(reader);
  const count = reader.u8();
  if (cursor === undefined || reader.failed || count > maxContacts) return "badBody";
  const providers: Provider[] = [];
  for (let i = 0; i < count; i++) {
    const contact = contacts.readContact(reader);
    if (contact === undefined) return reader.failed ? "badBody" : "badAddress";
    const seconds = reader.u32();
    const meta = readMeta(reader);
    if (seconds === 0 || meta === undefined || reader.failed) return "badBody";
    providers.push({ contact, meta, lifetimeMs: seconds * 1_000 });
  }
  const closest = contacts.readContacts(reader);
  return typeof closest === "string" ? closest : { type: "providers", providers, cursor, contacts: closest };
}

/** All providers or nothing: their cursor says where the next page begins. A provider that no message can carry is left out. */
export function writeProviders(
  { providers, cursor, contacts }: Page,
  writer: Writer,
  codec: ContactCodec,
): void {
  writeCursor(cursor, writer);
  const countAt = writer.take(1);
  if (countAt === undefined) return;
  let count = 0;
  for (const { contact, meta, lifetimeMs } of providers) {
    if (count === maxContacts) writer.failed = true;
    if (!codec.writeContact(writer, contact)) continue;
    writer.u32(lifetimeSeconds(lifetimeMs));
    writeMeta(meta, writer);
    count++;
  }
  writer.bytes[countAt] = count;
  codec.writeContacts(contacts, writer);
}
