/**
 * Where `set` takes its value from: the command line, a file, or standard input.
 */
import type { ValueSpec } from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";
import { piecesOfFile, piecesOfStdin } from "./input.ts";
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
  if (file !== undefined) return await gather(piecesOfFile(file), maxBytes, oneLine(file));
  if (argument === "-") return await gather(piecesOfStdin(io), maxBytes, "standard input");
  const bytes = new TextEncoder().encode(argument);
  return bytes.length <= maxBytes ? bytes : tooLarge("the value", maxBytes);
}

/** Stops reading as soon as it is too much. */
async function gather(input: AsyncIterable<Uint8Array>, maxBytes: number, name: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(maxBytes);
  let length = 0;
  for await (const piece of input) {
    if (length + piece.length > maxBytes) tooLarge(name, maxBytes);
    bytes.set(piece, length);
    length += piece.length;
  }
  return bytes.subarray(0, length);
}

function tooLarge(name: string, maxBytes: number): never {
  throw new WrongUsage(`${name} has more than ${grouped(maxBytes)} bytes, which is all that a record holds`);
}
