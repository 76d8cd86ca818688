/**
 * One file that is read: its size, and its bytes in order.
 *
 *     for await (const bytes of node.getFile(key)) stdout.write(bytes);
 *
 * Nothing is asked for before `size()` or the loop; leaving the loop early cancels what is under way.
 */
import { type RecordKey, UsageError } from "@kad/core";
import { abortable } from "../abort.ts";
import { checkId } from "../key.ts";
import { FileIncomplete, FileTooLarge, type MissingPart, maxListedParts } from "./errors.ts";
import type { FileNetwork } from "./file-network.ts";
import { chunkBytes, maxFileBytes } from "./file-record.ts";
import type { TreePlace } from "./file-tree.ts";
import { LinkedAbort } from "./linked-abort.ts";
import { checkGetFileOptions, fileDefaults, type GetFileOptions, type GetFileProgress } from "./options.ts";
import { type Part, ReadAhead } from "./read-ahead.ts";
import { RecordLoader, type TreeNode } from "./record-loader.ts";

/**
 * The loop, of which there may be one, gives bytes that are the caller's. It rejects with {@link FileIncomplete} where
 * nobody has what follows, {@link InvalidFile} where nothing can ever be read, {@link FileTooLarge}, `UsageError` for
 * options that cannot be, `NodeClosed`, and the reason of the signal.
 */
export class FileDownload implements AsyncIterable<Uint8Array> {
  readonly key: RecordKey;
  readonly #network: FileNetwork;
  readonly #options: GetFileOptions;
  #root: Promise<TreeNode> | undefined;
  #size: number | undefined;
  #bytes = 0;
  #chunks = 0;
  #hasBegun = false;

  constructor(network: FileNetwork, key: RecordKey, options: GetFileOptions) {
    this.#network = network;
    this.#options = options;
    this.key = key;
  }

  get progress(): GetFileProgress {
    return { size: this.#size, bytes: this.#bytes, chunks: this.#chunks };
  }

  /** Bytes of the whole file, as soon as its root has been read. Rejects as the loop does. */
  async size(): Promise<number> {
    const scope = this.#scope();
    try {
      scope.signal.throwIfAborted();
      const { size } = await abortable(this.#readRoot(scope.signal), scope.signal);
      return size;
    } finally {
      scope.release();
    }
  }

  /** @throws UsageError `invalidArgument` the second time */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#hasBegun)
      throw new UsageError("invalidArgument", "getFile: its bytes are read already; ask anew");
    this.#hasBegun = true;
    const leaving = new AbortController();
    const bytes = this.#read(leaving.signal);
    const end = bytes.return.bind(bytes);
    bytes.return = async (value) => {
      leaving.abort(leftEarly); // whoever waits for the next bytes need not wait for an answer
      return await end(value);
    };
    return bytes;
  }

  #scope(leaving?: AbortSignal): LinkedAbort {
    return new LinkedAbort(leaving, this.#options.signal, this.#network.lifetime);
  }

  async *#read(leaving: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const scope = this.#scope(leaving);
    let ahead: ReadAhead | undefined;
    try {
      scope.signal.throwIfAborted();
      const root = await abortable(this.#readRoot(scope.signal), scope.signal);
      const { offset: from = 0, length = root.size, readAhead = fileDefaults.readAhead } = this.#options;
      const to = Math.min(root.size, from + length);
      if (to - from > (this.#options.maxBytes ?? maxFileBytes)) {
        throw new FileTooLarge(this.key, to - from, this.#options.maxBytes ?? maxFileBytes);
      }
      if (root.type === "chunk") {
        yield* this.#give(root.bytes.subarray(from, to), 1);
        return;
      }
      const loader = new RecordLoader(this.#network.records, this.#options);
      ahead = new ReadAhead({ loader, root, from, to, limit: readAhead, signal: scope.signal });
      yield* this.#readParts(ahead, root.size, from, to);
    } catch (error) {
      if (error !== leftEarly) throw error;
    } finally {
      scope.abort(leftEarly);
      await ahead?.idle();
      scope.release();
    }
  }

  async *#readParts(
    ahead: ReadAhead,
    size: number,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void> {
    const gaps = new Gaps();
    for (;;) {
      const part = await ahead.next();
      if (part === undefined) break;
      const { place, node } = part;
      const start = Math.max(from, place.offset);
      const end = Math.min(to, place.offset + place.size);
      if (node?.type === "chunk") {
        yield* this.#give(node.bytes.subarray(start - place.offset, end - place.offset), 1);
        continue;
      }
      const missing = gaps.add(place);
      if (this.#options.onMissing?.(missing) !== "zeros") {
        const checkedTo = gaps.addAll(await ahead.stop(), end);
        throw new FileIncomplete(this.key, { ...gaps.found(), size, checkedTo: Math.min(to, checkedTo) });
      }
      for (let at = start; at < end; at += zerosAtOnce) {
        yield* this.#give(new Uint8Array(Math.min(zerosAtOnce, end - at)), 0);
      }
    }
    if (gaps.count > 0) throw new FileIncomplete(this.key, { ...gaps.found(), size, checkedTo: to });
  }

  *#give(bytes: Uint8Array, chunks: number): Generator<Uint8Array, void, undefined> {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    this.#chunks += chunks;
    this.#options.onProgress?.(this.progress);
    yield bytes;
  }

  /** Read once, for whoever asks first. */
  #readRoot(signal: AbortSignal): Promise<TreeNode> {
    this.#root ??= this.#findRoot(signal);
    return this.#root;
  }

  async #findRoot(signal: AbortSignal): Promise<TreeNode> {
    checkGetFileOptions(this.#options);
    checkId("key", this.key);
    const loader = new RecordLoader(this.#network.records, this.#options);
    const root = await loader.root(this.key, signal);
    if (root === undefined) throw new FileIncomplete(this.key, rootMissing(this.key));
    this.#size = root.size;
    return root;
  }
}

/** Ends what a loop that was left has under way. Seen only by whoever waits for `size()` meanwhile. */
const leftEarly = new DOMException("the loop over the file was left", "AbortError");

const zerosAtOnce = 65_536;

function rootMissing(key: RecordKey): ConstructorParameters<typeof FileIncomplete>[1] {
  const part: MissingPart = {
    key,
    level: undefined,
    offset: 0,
    bytes: undefined,
    firstChunk: 0,
    chunks: undefined,
  };
  return { missing: [part], missingParts: 1, size: undefined, checkedTo: 0 };
}

/** What is missing, in order: the first parts in full, the others counted. */
class Gaps {
  readonly #missing: MissingPart[] = [];
  count = 0;

  add({ key, level, offset, size }: TreePlace): MissingPart {
    const part: MissingPart = {
      key,
      level,
      offset,
      bytes: size,
      firstChunk: offset / chunkBytes,
      chunks: Math.ceil(size / chunkBytes),
    };
    this.count++;
    if (this.#missing.length < maxListedParts) this.#missing.push(part);
    return part;
  }

  /** @returns where these parts end, or `end` where there are none */
  addAll(parts: readonly Part[], end: number): number {
    for (const { place, node } of parts) if (node === undefined) this.add(place);
    const last = parts.at(-1)?.place;
    return last === undefined ? end : last.offset + last.size;
  }

  found(): { readonly missing: readonly MissingPart[]; readonly missingParts: number } {
    return { missing: this.#missing, missingParts: this.count };
  }
}
