/** What a node does, written to a file as it happens: `kad node --record FILE`, played again by `kad sim --replay FILE`. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { CreateNodeOptions } from "@kad/dht";
import { oneLine, WrongUsage } from "./failure.ts";
import { version } from "./version.ts";

export interface Recording {
  readonly file: string;
  /** For `createNode`. */
  readonly machine: NonNullable<CreateNodeOptions["machine"]>;
  /** Ends the recording and closes the file. To be called when the node is closed, or has not come to be. */
  close(): void;
}

/** Lines wait until there are so many characters, or for so long. */
const bufferedCharacters = 65_536;
const flushMs = 500;
/** What it holds is nobody else's business. */
const ownerOnly = 0o600;

/**
 * Makes the file, which must not exist.
 * @param onTrouble told, once, why the recording has ended before the node: its bound, or the disk
 * @throws (rejects) WrongUsage where there can be no such file
 */
export async function openRecording(file: string, onTrouble: (error: Error) => void): Promise<Recording> {
  const { CallLog, recordedNode } = await import("@kad/sim");
  const sink = new FileSink(file);
  const log = new CallLog({
    sink: (line) => sink.write(line),
    about: `kad ${version()}, Node ${process.versions.node}, ${process.platform}`,
  });
  let isTold = false;
  const flush = (): void => {
    sink.flush();
    const isOver = log.state === "full" || sink.failure !== undefined;
    if (!isOver || isTold) return;
    isTold = true;
    const why = sink.failure === undefined ? "it is full" : oneLine(sink.failure.message);
    onTrouble(new Error(`${file}: the recording ends here: ${why}; the node goes on`));
  };
  const timer = setInterval(flush, flushMs).unref();
  return {
    file,
    machine: (options) => recordedNode(options, log),
    close: () => {
      clearInterval(timer);
      log.end();
      flush();
      sink.close();
    },
  };
}

/** Writes where it stands, in large pieces: so lines cannot pile up before a slow disk. */
class FileSink {
  readonly #descriptor: number;
  #waiting = "";
  /** What the disk has said. Nothing is written after it. */
  failure: Error | undefined;

  constructor(file: string) {
    this.#descriptor = create(file);
  }

  write(line: string): void {
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= bufferedCharacters) this.flush();
    if (this.failure !== undefined) throw this.failure;
  }

  flush(): void {
    if (this.failure !== undefined || this.#waiting === "") return;
    try {
      writeAll(this.#descriptor, new TextEncoder().encode(this.#waiting));
    } catch (error) {
      this.failure = error as Error;
    }
    this.#waiting = "";
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: "it is there already; a recording is a file of its own",
  ENOENT: "there is no such folder",
  ENOTDIR: "there is no such folder",
  EISDIR: "this is a folder, not a file",
  EACCES: "the system does not let us write there",
};

function create(file: string): number {
  try {
    return openSync(file, "wx", ownerOnly);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new WrongUsage(`--record ${oneLine(file)}: ${reasons[code] ?? oneLine(message)}`, { cause: error });
  }
}
