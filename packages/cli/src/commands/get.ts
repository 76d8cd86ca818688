/**
 * `kad get`: fetches a record and writes its value, byte for byte.
 */
import { Buffer } from "node:buffer";
import type { GetResult } from "@kad/dht";
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { writeEvent } from "../json.ts";
import { keyArgument, nameOption, readKey } from "../key-argument.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { describeEffort, effortFields, failureOfWalk } from "../walk.ts";

export const get: Command = defineCommand({
  name: "get",
  summary: "Fetch a record and write its value to standard output",
  description: [
    "Writes exactly the bytes that were stored, without a line end of its own (a terminal gets one). Where nobody has the record, the exit " +
      "code is 3.",
    "With --json the event value has them as base64, and as text where they are UTF-8.",
  ],
  args: [keyArgument],
  options: { bootstrap, name: nameOption, timeout, json },
  examples: [
    { line: "kad get KEY --bootstrap udp://127.0.0.1:4100 > copy.txt", does: "what kad put gave the key of" },
    { line: "kad get --name motd --bootstrap udp://127.0.0.1:4100", does: "what kad set wrote" },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, name } = options;
    const key = await readKey(args[0], name);
    const found = await withClient(io, { bootstrap: seeds, timeoutMs }, async (node, progress) => {
      progress.task = "looking for the record";
      const result = await node.get(key, { timeoutMs, signal: io.signal });
      if (result.value !== undefined) progress.summary(`found: ${describeEffort(result.stats)}`);
      return result;
    });
    const { value, end } = found;
    if (value === undefined) {
      throw failureOfWalk(end) ?? new Failure(exitCode.notFound, `nobody has ${name ?? args[0]}`);
    }
    if (options.json) writeEvent(io.stdout, "value", fieldsOf(found, value));
    else writeValue(io, value);
    return exitCode.ok;
  },
});

const lineFeed = 0x0a;

/** Byte for byte; only on a terminal the prompt that follows gets a line of its own. */
function writeValue({ stdout, isTTY }: Io, value: Uint8Array): void {
  stdout.write(value);
  if (isTTY && value.at(-1) !== lineFeed) stdout.write("\n");
}

function fieldsOf({ key, holders, stats }: GetResult, value: Uint8Array): Record<string, unknown> {
  const base64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  const text = textOf(value);
  return {
    key: key.toHex(),
    bytes: value.length,
    text,
    base64,
    holders: holders.length,
    ...effortFields(stats),
  };
}

/** `undefined` where it is no UTF-8. */
function textOf(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined;
  }
}
