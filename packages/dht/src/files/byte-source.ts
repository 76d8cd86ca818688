/**
 * Where a file's bytes come from: pieces of any size, one at a time, and no sooner than they are wanted.
 */
import { UsageError } from "@kad/core";
import { abortable } from "../abort.ts";
import { describe } from "../key.ts";

/**
 * Bytes at once or in pieces: an array, a generator, a stream of Node or of the web. A piece is read before the next one is
 * asked for, and never changed or kept.
 */
export type ByteSource =
  | Uint8Array
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/**
 * The pieces of a source, or the reason of `signal` as soon as that aborts, even while the source is silent. The source is
 * told when nobody wants the rest: `return` of an iterator, `cancel` of a stream.
 * @throws UsageError `invalidArgument` for a piece that is no `Uint8Array`; what the source throws
 */
export async function* piecesOf(
  source: ByteSource,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal.throwIfAborted();
  const iterator = iteratorOf(source);
  let isAsked = false;
  let hasEnded = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      isAsked = true;
      const next = await abortable(Promise.resolve(iterator.next()), signal);
      isAsked = false;
      if (next.done === true) {
        hasEnded = true;
        return;
      }
      yield checkPiece(next.value);
    }
  } finally {
    if (!hasEnded) await letGo(iterator, isAsked);
  }
}

type PieceIterator = Iterator<Uint8Array> | AsyncIterator<Uint8Array>;

/** @throws UsageError `invalidArgument` */
export function checkSource(source: ByteSource): void {
  if (source instanceof Uint8Array) return;
  const isObject = typeof source === "object" && source !== null;
  if (isObject && (Symbol.asyncIterator in source || Symbol.iterator in source)) return;
  throw new UsageError(
    "invalidArgument",
    `source: ${describe(source)}; allowed are a Uint8Array, and a stream or iterable of them (of a file on disk: fs.createReadStream(path))`,
  );
}

function iteratorOf(source: ByteSource): PieceIterator {
  if (source instanceof Uint8Array) return [source][Symbol.iterator]();
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  return (source as Iterable<Uint8Array>)[Symbol.iterator]();
}

function checkPiece(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new UsageError(
    "invalidArgument",
    `source: a piece is ${describe(piece)}; allowed is a Uint8Array (a stream of text needs no encoding set)`,
  );
}

/** A generator that waits for something answers `return` only when that has come, so nobody waits for its answer then. */
async function letGo(iterator: PieceIterator, isAsked: boolean): Promise<void> {
  const released = Promise.resolve(iterator.return?.()).catch(() => undefined);
  if (!isAsked) await released;
}
