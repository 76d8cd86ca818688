/** A file of lines, written where the caller stands, in large pieces: so lines cannot pile up before a slow disk. */
import { closeSync, openSync, writeSync } from "node:fs";
import { oneLine, WrongUsage } from "./failure.ts";

/** Lines wait until there are so many characters. */
const bufferedCharacters = 65_536;
/** What it holds may be nobody else's business. */
const ownerOnly = 0o600;

export class LineFile {
  readonly #descriptor: number;
  #waiting = "";
  /** What the disk has said. Nothing is written after it. */
  failure: Error | undefined;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * Makes the file, which must not exist.
   * @param option for the message: `--record`
   * @throws WrongUsage where there can be no such file
   */
  static create(file: string, option: string): LineFile {
    try {
      return new LineFile(openSync(file, "wx", ownerOnly));
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      const why = reasons[code] ?? oneLine(message);
      throw new WrongUsage(`${option} ${oneLine(file)}: ${why}`, { cause: error });
    }
  }

  /** To go on with a file that another thread has made. */
  static append(file: string): LineFile {
    return new LineFile(openSync(file, "a"));
  }

  /** @param line without its line feed. @throws {@link failure} */
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
    this.flush();
    closeSync(this.#descriptor);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: "it is there already; it is to be a new file",
  ENOENT: "there is no such folder",
  ENOTDIR: "there is no such folder",
  EISDIR: "this is a folder, not a file",
  EACCES: "the system does not let us write there",
};
