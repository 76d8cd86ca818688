/**
 * `kad put`: stores a value under its own hash.
 */
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { tellStored } from "../stored.ts";
import { file, readValue } from "../value-input.ts";

/** Of an immutable record. */
const maxValueBytes = 1_000;

export const put: Command = defineCommand({
  name: "put",
  summary: "Store a value and print its key",
  description: [
    "The key is the hash of the value, so that whoever reads it knows that it is the right one. The 20 nodes closest to " +
      "the key keep it for 24 hours. The key is the last line of the output.",
  ],
  args: [
    {
      name: "VALUE",
      summary: "The value, at most 1,000 bytes; - takes it from standard input",
      optional: true,
    },
  ],
  options: { bootstrap, file, timeout, json },
  examples: [
    { line: 'kad put "hello" --bootstrap udp://127.0.0.1:4100', does: "prints the key of hello" },
    { line: "date | kad put - --bootstrap udp://127.0.0.1:4100", does: "what another program writes" },
    { line: "kad put --file note.txt --bootstrap udp://127.0.0.1:4100", does: "a small file" },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, json: isJson } = options;
    const value = await readValue(io, { argument: args[0], file: options.file, maxBytes: maxValueBytes });
    await withClient(io, { bootstrap: seeds, timeoutMs }, async (node, progress) => {
      progress.task = "storing";
      tellStored(io, isJson, progress, await node.put(value, { timeoutMs, signal: io.signal }));
    });
    return exitCode.ok;
  },
});
