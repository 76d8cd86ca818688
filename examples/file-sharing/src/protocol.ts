/**
 * What those who share a file and those who fetch it agree on.
 *
 * A file's key is the SHA-256 of its bytes, so whoever knows the key can tell whether what arrived is the file. Who has
 * it announces that key, and answers application messages: `KEY OFFSET` asks for the piece that begins there.
 */
import { createHash } from "node:crypto";
import { parseKey } from "@kad/dht";

export type FileKey = ReturnType<typeof parseKey>;

/** Names our messages among those of other applications in the same network. */
export const protocol = "example/file-sharing/1";

/**
 * Bytes in a piece; the last one of a file is shorter. On plain UDP an answer is at most three times as long as what it
 * answers, which is filled up to 400 bytes for that: so 1,200 bytes, of which the message around a piece takes 47.
 */
export const pieceBytes = 1_024;

export function keyOfFile(bytes: Uint8Array): FileKey {
  return parseKey(createHash("sha256").update(bytes).digest("hex"));
}

export function writeRequest(key: FileKey, offset: number): string {
  return `${key.toHex()} ${offset}`;
}

/** `undefined`: not a request. Anybody can send anything, so it is read with care. */
export function readRequest(body: Uint8Array): { readonly key: string; readonly offset: number } | undefined {
  const [, key, offset] = /^([0-9a-f]{64}) (\d{1,15})$/.exec(new TextDecoder().decode(body)) ?? [];
  return key === undefined ? undefined : { key, offset: Number(offset) };
}

/** What a provider says of its file when it announces it. Nobody proves it, until the hash does. */
export interface FileFacts {
  readonly name: string;
  readonly size: number;
}

/** Larger files are left alone: a provider could claim any size, and it is kept in memory. */
const maxFileBytes = 64 * 2 ** 20;

/** `undefined`: nonsense. */
export function readFacts(meta: Uint8Array): FileFacts | undefined {
  try {
    const { name, size } = JSON.parse(new TextDecoder().decode(meta));
    const isRight = typeof name === "string" && Number.isInteger(size) && size >= 0 && size <= maxFileBytes;
    return isRight ? { name, size } : undefined;
  } catch {
    return undefined;
  }
}
