/**
 * Files that hold a secret: mode 0600, never written in part, never written over.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { KadError } from "@kad/core";

export type SecretFileErrorCode =
  | "fileNotFound"
  | "fileNotPrivate" // others than its owner may read or write it
  | "fileMalformed" // not what it should hold
  | "fileExists" // a secret is not written over
  | "fileFailed"; // anything else; see `cause`

/** Names the file and what is expected; never what it holds. */
export class SecretFileError extends KadError {
  declare readonly code: SecretFileErrorCode;
  readonly path: string;

  constructor(code: SecretFileErrorCode, path: string, what: string, cause?: unknown) {
    super(code, `${path}: ${what}`, cause === undefined ? {} : { cause });
    this.path = path;
  }
}

/** Longer than any that we write. */
const maxFileBytes = 4_096;
const privateMode = 0o600;

/**
 * The file's text. Where the system has modes, only its owner may have any right on it.
 * @throws (rejects) SecretFileError `fileNotFound`, `fileNotPrivate`, `fileMalformed` when it is too long, `fileFailed`
 */
export async function readSecretFile(path: string, expected: string): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    const code = codeOf(error) === "ENOENT" ? "fileNotFound" : "fileFailed";
    throw new SecretFileError(code, path, `${reasonOf(error)}; expected is ${expected}`, error);
  }
  try {
    const { mode } = await file.stat();
    if (hasModes && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      const what = `its mode is ${shown}, so others than its owner may use it; expected is 0600`;
      throw new SecretFileError("fileNotPrivate", path, what);
    }
    const bytes = new Uint8Array(maxFileBytes + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead > maxFileBytes) throw malformed(path, expected);
    return new TextDecoder().decode(bytes.subarray(0, bytesRead));
  } catch (error) {
    if (error instanceof KadError) throw error;
    throw new SecretFileError("fileFailed", path, `${reasonOf(error)}; expected is ${expected}`, error);
  } finally {
    await file.close();
  }
}

/**
 * Creates the file, whole or not at all.
 * @throws (rejects) SecretFileError `fileExists`, and nothing has changed then; `fileFailed`
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeNew(draft, text);
    try {
      await link(draft, path); // unlike a rename, it fails where a file is already
    } catch (error) {
      if (!withoutLinks.has(codeOf(error) ?? "")) throw error;
      await writeNew(path, text);
    } finally {
      await unlink(draft);
    }
    await syncFolder(dirname(path));
  } catch (error) {
    if (codeOf(error) === "EEXIST")
      throw new SecretFileError("fileExists", path, "it exists already, and a secret is not written over");
    throw new SecretFileError("fileFailed", path, `it could not be written: ${reasonOf(error)}`, error);
  }
}

export function malformed(path: string, expected: string): SecretFileError {
  return new SecretFileError("fileMalformed", path, `it does not hold ${expected}`);
}

/** Windows keeps access lists instead. */
const hasModes = process.platform !== "win32";

/** What file systems without hard links say. */
const withoutLinks: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", privateMode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the name survives a power failure too. Not every system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // The file itself is safe.
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === "ENOENT" ? "there is no such file" : (code ?? String(error));
}
