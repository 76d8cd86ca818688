/**
 * Bytes from a file or from standard input, piece by piece, exactly as they are there.
 */
import { open } from "node:fs/promises";
import { abortable } from "./abort.ts";
import type { Io } from "./io.ts";

/** A file is opened by the first piece, and closed however the loop ends. Errors have its path. */
export async function* piecesOfFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(path);
  try {
    yield* handle.createReadStream({ autoClose: false });
  } catch (error) {
    if (error instanceof Error && "syscall" in error) Object.assign(error, { path });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Ends with the reason of the signal, too: a terminal may never say another word. */
export async function* piecesOfStdin({ stdin, signal }: Io): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = stdin[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await abortable(iterator.next(), signal);
      if (next.done === true) break;
      yield typeof next.value === "string" ? new TextEncoder().encode(next.value) : next.value;
    }
    isOver = true;
  } finally {
    if (!isOver && !signal.aborted) await iterator.return?.();
  }
}

/** Bytes of which the first are known. */
export interface Peeked {
  /** Those that were read to know, and whether they are all there are. */
  readonly head: Uint8Array;
  readonly isWhole: boolean;
  /** All of them, from the first, once. */
  readonly all: () => AsyncGenerator<Uint8Array, void, undefined>;
}

/** Reads until there are more than `limit` bytes, or no more. */
export async function peek(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  limit: number,
): Promise<Peeked> {
  const read: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  while (length <= limit && !isWhole) {
    const { done, value } = await pieces.next();
    if (done === true) isWhole = true;
    else {
      read.push(value);
      length += value.length;
    }
  }
  const head = new Uint8Array(length);
  let at = 0;
  for (const piece of read) {
    head.set(piece, at);
    at += piece.length;
  }
  const all = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield head;
      yield* pieces;
    } finally {
      await pieces.return();
    }
  };
  return { head, isWhole, all };
}
