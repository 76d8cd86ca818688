/** `kad sim --replay FILE`: what a node did then, done again. */
import type { ReplayReport } from "@kad/sim";
import { type ExitCode, exitCode } from "../exit-code.ts";
import { WrongUsage } from "../failure.ts";
import { piecesOfFile } from "../input.ts";
import type { Io } from "../io.ts";
import { writeEvent } from "../json.ts";
import { grouped, plural } from "../text.ts";

/** @throws (rejects) whatever reading the file throws; WrongUsage when it is no recording, or none for this version */
export async function replayFile(file: string, isJson: boolean, io: Io): Promise<ExitCode> {
  const report = await replayed(file, io);
  if (isJson) tellJson(io, report);
  else io.stdout.write(describe(report));
  return report.difference === undefined ? exitCode.ok : exitCode.failed;
}

async function replayed(file: string, { signal }: Io): Promise<ReplayReport> {
  const [{ RecordingError, replayStream }, { replayValidators }] = await Promise.all([
    import("@kad/sim"),
    import("@kad/dht"),
  ]);
  try {
    return await replayStream(linesOf(piecesOfFile(file), signal), await replayValidators());
  } catch (error) {
    if (error instanceof RecordingError) throw new WrongUsage(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function* linesOf(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    signal.throwIfAborted();
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function tellJson(io: Io, { header, ...counts }: ReplayReport): void {
  writeEvent(io.stdout, "replayed", { id: header.id, about: header.about, ...counts });
}

const ends: Readonly<Record<ReplayReport["end"], string>> = {
  ended: "to its end",
  full: "to where the recording was full",
  cut: "to where the recording breaks off",
};

function describe({ header, calls, messagesIn, messagesOut, events, difference, end }: ReplayReport): string {
  const counts =
    `${plural(calls, "call")}, ${plural(messagesIn, "message")} in, ${grouped(messagesOut)} out, ` +
    `${plural(events, "event")}`;
  if (difference === undefined) return `node ${header.id}: the same again, ${ends[end]}\n${counts}\n`;
  const { line, atMs, call, recorded, replayed } = difference;
  const when = atMs === undefined ? "" : ` at ${atMs} ms`;
  return (
    `node ${header.id}: it did something else in line ${line}, ${call}${when}\n` +
    `  then: ${recorded}\n  now:  ${replayed}\n${counts}\n`
  );
}
