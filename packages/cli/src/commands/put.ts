/**
 * `kad put`: stores bytes under a key that proves them: one record where they fit into it, else a file of chunks.
 */
import { stat } from "node:fs/promises";
import type { DhtNode, PutFileProgress } from "@kad/dht";
import { defaultClientTimeoutMs, type Progress, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { oneLine, WrongUsage } from "../failure.ts";
import { describeTransfer } from "../file-transfer.ts";
import { type Peeked, peek, piecesOfFile, piecesOfStdin } from "../input.ts";
import type { Io } from "../io.ts";
import { roundedMs, writeEvent } from "../json.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { tellStored } from "../stored.ts";
import { grouped, plural, shownBytes, shownMs } from "../text.ts";

/** Of an immutable record. */
const maxRecordBytes = 1_000;

export const put: Command = defineCommand({
  name: "put",
  summary: "Store a file, standard input or a text, and print its key",
  description: [
    "The key is the hash of what is stored, so that whoever reads it knows that it is the right one. The 20 nodes " +
      "closest to a key keep its record for 24 hours. The key is the last line of the output.",
    "Up to 1,000 bytes are one record. Anything larger goes in as a file: records of 992 bytes each, under records " +
      "that list them. kad get knows which it is. Where nodes have no more room, the line on stderr says how much is " +
      "stored; the same command again goes on from there.",
  ],
  args: [{ name: "FILE", summary: "What to store; - is standard input", optional: true }],
  options: {
    bootstrap,
    text: { value: "TEXT", summary: "Store this text instead of a file", parse: (text: string) => text },
    file: { summary: "Store it as a file even where it would fit into one record" },
    ...security,
    timeout: {
      ...timeout,
      summary: "How long joining, and then each record, may take: 500ms, 10s, 2m; 10s by default",
    },
    json,
  },
  examples: [
    { line: "kad put photo.jpg --bootstrap udp://127.0.0.1:4100", does: "prints the key of the photo" },
    { line: "tar c src | kad put - --bootstrap udp://127.0.0.1:4100", does: "what another program writes" },
    { line: 'kad put --text "hello" --bootstrap udp://127.0.0.1:4100', does: "a word" },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, text, json: isJson } = options;
    const { isFileRecord } = await import("@kad/dht");
    const { bytes, size } = await readSource(io, args[0], text);
    // What looks like a part of a file would be read as one.
    const isRecord = bytes.isWhole && bytes.head.length <= maxRecordBytes && !options.file;
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      if (isRecord && !isFileRecord(bytes.head)) {
        progress.task = "storing";
        const put = await node.put(bytes.head, { timeoutMs, signal: io.signal });
        tellStored(io, isJson, progress, put, { bytes: bytes.head.length });
      } else {
        const total = size ?? (bytes.isWhole ? bytes.head.length : undefined);
        await putFile(io, { node, progress, bytes, size: total, timeoutMs, isJson });
      }
    });
    return exitCode.ok;
  },
});

interface Source {
  readonly bytes: Peeked;
  /** Where it is known before all is read. */
  readonly size: number | undefined;
}

async function readSource(io: Io, path: string | undefined, text: string | undefined): Promise<Source> {
  if ((path === undefined) === (text === undefined)) {
    throw new WrongUsage("give one of FILE, - for standard input, and --text TEXT");
  }
  if (path === "-") return { bytes: await peek(piecesOfStdin(io), maxRecordBytes), size: undefined };
  if (path !== undefined) return await readFile(path);
  const head = new TextEncoder().encode(text);
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield head;
  };
  return { bytes: { head, isWhole: true, all }, size: head.length };
}

async function readFile(path: string): Promise<Source> {
  try {
    const status = await stat(path);
    const size = status.isFile() ? status.size : undefined;
    return { bytes: await peek(piecesOfFile(path), maxRecordBytes), size };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    const hint = "a text itself goes in with --text";
    throw new WrongUsage(`${oneLine(path)}: there is no such file; ${hint}`, { cause: error });
  }
}

interface FilePut {
  readonly node: DhtNode;
  readonly progress: Progress;
  readonly bytes: Peeked;
  readonly size: number | undefined;
  readonly timeoutMs: number;
  readonly isJson: boolean;
}

async function putFile(io: Io, { node, progress, bytes, size, timeoutMs, isJson }: FilePut): Promise<void> {
  const startedAtMs = performance.now();
  let last: PutFileProgress = { bytes: 0, chunks: 0, stored: 0 };
  const { chunkBytes } = await import("@kad/dht");
  const onProgress = (now: PutFileProgress): void => {
    last = now;
    const storedBytes = Math.min(now.bytes, now.stored * chunkBytes);
    progress.task = `storing  ${describeTransfer(storedBytes, size, performance.now() - startedAtMs)}`;
  };
  onProgress(last);
  try {
    const { signal } = io;
    const put = await node.putFile(bytes.all(), { signal, recordTimeoutMs: timeoutMs, onProgress });
    const durationMs = performance.now() - startedAtMs;
    const { key, chunks, manifests, skipped, leastAccepted } = put;
    const holders = leastAccepted === undefined ? "" : ` on ${plural(leastAccepted, "holder")} at least`;
    const held = skipped === 0 ? "" : `, of which ${grouped(skipped)} were there already`;
    const records = `${plural(chunks, "chunk")} under ${plural(manifests, "manifest")}`;
    progress.summary(
      `${shownBytes(put.bytes)} stored as ${records}${held}${holders}, in ${shownMs(durationMs)}`,
    );
    if (isJson) {
      const fields = { bytes: put.bytes, chunks, manifests, skipped, leastAccepted };
      const times = { durationMs: roundedMs(durationMs) };
      writeEvent(io.stdout, "stored", { key: key.toHex(), kind: "file", ...fields, ...times });
    } else {
      io.stdout.write(`${key.toHex()}\n`);
    }
  } catch (error) {
    if (io.signal.aborted && last.stored > 0) {
      progress.end();
      const { stored, chunks } = last;
      io.stderr.write(
        `kad: interrupted: ${grouped(stored)} of ${grouped(chunks)} chunks read so far are stored; ` +
          "the same command again goes on from there\n",
      );
    }
    if (isJson) tellIncomplete(io, error);
    throw error;
  }
}

/** For programs; people read it from the line on stderr. */
function tellIncomplete(io: Io, error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "filePutFailed")) return;
  const { stored, chunks, storedBytes, bytes } = error as unknown as PutFileProgress & {
    readonly storedBytes: number;
  };
  writeEvent(io.stdout, "incomplete", { stored, chunks, storedBytes, bytes });
}
