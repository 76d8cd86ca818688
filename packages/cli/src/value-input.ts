/**
 * Where `put` and `set` take their value from: the command line, a file, or standard input.
 */
import { open } from "node:fs/promises";
import type { ValueSpec } from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";
import type { Io } from "./io.ts";
import { grouped } from "./text.ts";

export const file: ValueSpec<string> = {
  value: "PATH",
  summary: "Take the value from a file",
  parse: (text) => text,
};

export interface ValueSource {
  /** The argument; `-` is standard input. */
  readonly argument: string | undefined;
  readonly file: string | undefined;
  readonly maxBytes: number;
}

/**
 * The value's bytes, exactly as they are in the file or on standard input.
 * @throws WrongUsage when there is no value, more than one, or one of more than `maxBytes`
 */
export async function readValue(io: Io, { argument, file, maxBytes }: ValueSource): Promise<Uint8Array> {
  if ((argument === undefined) === (file === undefined)) {
    throw new WrongUsage("give one value: on the command line, as - for standard input, or with --file PATH");
  }
  if (file !== undefined) return await readFile(file, maxBytes);
  if (argument === "-") return await gather(io.stdin, maxBytes, "standard input");
  const bytes = new TextEncoder().encode(argument);
  return bytes.length <= maxBytes ? bytes : tooLarge("the value", maxBytes);
}

async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    return await gather(handle.createReadStream({ autoClose: false }), maxBytes, oneLine(path));
  } catch (error) {
    if (error instanceof Error && "syscall" in error) Object.assign(error, { path });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Stops reading as soon as it is too much. */
async function gather(
  input: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
  name: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(maxBytes);
  let length = 0;
  for await (const chunk of input) {
    const part = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    if (length + part.length > maxBytes) tooLarge(name, maxBytes);
    bytes.set(part, length);
    length += part.length;
  }
  return bytes.subarray(0, length);
}

function tooLarge(name: string, maxBytes: number): never {
  throw new WrongUsage(`${name} has more than ${grouped(maxBytes)} bytes, which is all that a record holds`);
}
