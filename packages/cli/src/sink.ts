/**
 * Where the bytes of a record or a file go: standard output, a file, or JSON lines. Each takes them no faster than it
 * writes them.
 */
import { type FileHandle, open } from "node:fs/promises";
import { abortable } from "./abort.ts";
import { base64Of } from "./bytes.ts";
import { exitCode } from "./exit-code.ts";
import { Failure, oneLine } from "./failure.ts";
import type { Io } from "./io.ts";
import { eventLine } from "./json.ts";

export interface Sink {
  /** Resolves when there is room for more. The bytes are not kept. No bytes at all are something, too: an empty file. */
  write(bytes: Uint8Array): Promise<void>;
  /** However it ends. Nothing is written after it. */
  close(): Promise<void>;
}

const lineFeed = 0x0a;

type StdoutIo = Pick<Io, "stdout" | "signal" | "isTTY">;

/** Byte for byte; only on a terminal the prompt that follows gets a line of its own. */
export class StdoutSink implements Sink {
  readonly #io: StdoutIo;
  #last: number | undefined = lineFeed;

  constructor(io: StdoutIo) {
    this.#io = io;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { stdout, signal } = this.#io;
    this.#last = bytes.at(-1) ?? this.#last;
    if (stdout.write(bytes) !== false || stdout.once === undefined) return;
    let resume: () => void = () => undefined;
    const drained = new Promise<void>((resolve) => {
      resume = resolve;
    });
    stdout.once("drain", resume);
    try {
      await abortable(drained, signal);
    } finally {
      stdout.off?.("drain", resume);
    }
  }

  async close(): Promise<void> {
    if (this.#io.isTTY && this.#last !== lineFeed) this.#io.stdout.write("\n");
  }
}

/** Made, or emptied, by the first write: whoever finds nothing leaves what is there alone. */
export class FileSink implements Sink {
  readonly #path: string;
  #handle: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const handle = await this.#open();
    await this.#try(handle.writeFile(bytes)); // from the handle's position on
  }

  async close(): Promise<void> {
    if (this.#handle !== undefined) await this.#try(this.#handle.close());
  }

  async #open(): Promise<FileHandle> {
    this.#handle ??= await this.#try(open(this.#path, "w"));
    return this.#handle;
  }

  async #try<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      const reason = oneLine(cause instanceof Error ? cause.message : String(cause));
      throw new Failure(exitCode.failed, `${oneLine(this.#path)} cannot be written: ${reason}`, { cause });
    }
  }
}

/** The event `bytes` for each piece, as base64. */
export class JsonSink implements Sink {
  readonly #stdout: StdoutSink;
  #offset = 0;

  constructor(io: StdoutIo) {
    this.#stdout = new StdoutSink(io);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    const line = eventLine("bytes", { offset: this.#offset, base64: base64Of(bytes) });
    this.#offset += bytes.length;
    await this.#stdout.write(new TextEncoder().encode(line));
  }

  async close(): Promise<void> {}
}
