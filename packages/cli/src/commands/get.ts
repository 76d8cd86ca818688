/**
 * `kad get`: fetches a record or a file and writes its bytes.
 */
import type { DhtNode, FileDownload, FileIncomplete, GetFileProgress, GetResult } from "@kad/dht";
import { base64Of, textOf } from "../bytes.ts";
import { defaultClientTimeoutMs, type Progress, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import { describeTransfer } from "../file-transfer.ts";
import type { Io } from "../io.ts";
import { roundedMs, writeEvent } from "../json.ts";
import { keyArgument, nameOption, ownerOption, readOwnedKey } from "../key-argument.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { FileSink, JsonSink, type Sink, StdoutSink } from "../sink.ts";
import { plural, shownBytes, shownMs } from "../text.ts";
import { describeEffort, effortFields, failureOfWalk } from "../walk.ts";

export const get: Command = defineCommand({
  name: "get",
  summary: "Fetch what is stored under a key, and write it to standard output or a file",
  description: [
    "Writes exactly the bytes that were stored, without a line end of its own (a terminal gets one): the value of a " +
      "record, or the whole of a file, which it recognizes. Each byte is proven by the key, or by its owner's signature; " +
      "only a --name without --owner is what anyone has written.",
    "Where nobody has the record, the exit code is 3. Where a part of a file is missing, it is 6: the bytes before it " +
      "are written, and the line on stderr says what is missing.",
    "With --json the event value has the value as base64, and as text where it is UTF-8. A file comes as events bytes, " +
      "and ends with the event file, or incomplete.",
  ],
  args: [keyArgument],
  options: {
    bootstrap,
    name: nameOption,
    owner: ownerOption,
    output: { value: "FILE", summary: "Write to this file", parse: (text: string) => text },
    ...security,
    timeout: {
      ...timeout,
      summary: "How long joining, and then each record, may take: 500ms, 10s, 2m; 10s by default",
    },
    json,
  },
  examples: [
    {
      line: "kad get KEY --output photo.jpg --bootstrap udp://127.0.0.1:4100",
      does: "what kad put gave the key of",
    },
    { line: "kad get KEY --bootstrap udp://127.0.0.1:4100 > src.tar", does: "the same, by the shell" },
    { line: "kad get --name motd --bootstrap udp://127.0.0.1:4100", does: "what kad set wrote" },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, name, output } = options;
    const keyOf = await readOwnedKey(args[0], name, options.owner);
    const { isFileRecord } = await import("@kad/dht");
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      progress.task = "looking for the record";
      const found = await node.get(keyOf(node), { timeoutMs, signal: io.signal });
      const { value, record, end } = found;
      if (value === undefined) {
        throw failureOfWalk(end) ?? new Failure(exitCode.notFound, `nobody has ${name ?? args[0]}`);
      }
      const wanted = { io, node, progress, output, timeoutMs, isJson: options.json };
      if (record?.type === "immutable" && isFileRecord(value)) await writeFile(wanted, found);
      else await writeValue(wanted, found, value);
    });
    return exitCode.ok;
  },
});

interface Wanted {
  readonly io: Io;
  readonly node: DhtNode;
  readonly progress: Progress;
  /** `undefined`: standard output. */
  readonly output: string | undefined;
  readonly timeoutMs: number;
  readonly isJson: boolean;
}

async function writeValue(
  { io, progress, output, isJson }: Wanted,
  { key, holders, stats }: GetResult,
  value: Uint8Array,
): Promise<void> {
  progress.summary(`found: ${describeEffort(stats)}`);
  progress.end();
  if (output !== undefined || !isJson) await pour([value], sinkOf(io, output));
  if (!isJson) return;
  const content = output === undefined ? { text: textOf(value), base64: base64Of(value) } : { output };
  const fields = { key: key.toHex(), bytes: value.length, ...content, holders: holders.length };
  writeEvent(io.stdout, "value", { ...fields, ...effortFields(stats) });
}

async function writeFile(wanted: Wanted, { key }: GetResult): Promise<void> {
  const { io, node, progress, output, timeoutMs, isJson } = wanted;
  const startedAtMs = performance.now();
  const isShown = output === undefined && io.isTTY;
  const onProgress = ({ bytes, size }: GetFileProgress): void => {
    progress.task = `reading  ${describeTransfer(bytes, size, performance.now() - startedAtMs)}`;
  };
  const { signal } = io;
  const file = node.getFile(key, {
    signal,
    recordTimeoutMs: timeoutMs,
    ...(isShown ? {} : { onProgress }),
  });
  try {
    await file.size(); // what cannot be read at all leaves the output alone
    if (isShown) progress.end(); // the bytes stand where progress would be drawn
    await pour(file, output === undefined && isJson ? new JsonSink(io) : sinkOf(io, output));
  } catch (error) {
    if (isJson) tellIncomplete(io, file, error);
    throw error;
  }
  const { bytes, chunks } = file.progress;
  const durationMs = performance.now() - startedAtMs;
  progress.summary(`${shownBytes(bytes)} in ${plural(chunks, "chunk")}, in ${shownMs(durationMs)}`);
  if (!isJson) return;
  writeEvent(io.stdout, "file", {
    key: key.toHex(),
    bytes,
    chunks,
    output,
    durationMs: roundedMs(durationMs),
  });
}

function sinkOf(io: Io, output: string | undefined): Sink {
  return output === undefined ? new StdoutSink(io) : new FileSink(output);
}

const nothing = new Uint8Array(0);

async function pour(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  try {
    await sink.write(nothing);
    for await (const piece of bytes) await sink.write(piece);
  } finally {
    await sink.close();
  }
}

/** For programs; people read it from the line on stderr. */
function tellIncomplete(io: Io, { key, progress }: FileDownload, error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "fileIncomplete")) return;
  const { missing, missingParts, size, checkedTo } = error as FileIncomplete;
  writeEvent(io.stdout, "incomplete", {
    key: key.toHex(),
    bytes: progress.bytes,
    size,
    missingParts,
    missing: missing.map((part) => ({ ...part, key: part.key.toHex() })),
    checkedTo,
  });
}
