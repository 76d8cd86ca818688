/**
 * `kad set`: writes a value under a name.
 */
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { tellStored } from "../stored.ts";
import { file, readValue } from "../value-input.ts";

/** Of an open record. */
const maxValueBytes = 896;

export const set: Command = defineCommand({
  name: "set",
  summary: "Write a value under a name, which anyone may overwrite",
  description: [
    "The key is the hash of the name: whoever knows the name can read the value, and overwrite it. The last writer wins. " +
      "The key is the last line of the output.",
  ],
  args: [
    { name: "NAME", summary: "1 to 128 bytes of UTF-8" },
    {
      name: "VALUE",
      summary: "The value, at most 896 bytes; - takes it from standard input",
      optional: true,
    },
  ],
  options: { bootstrap, file, timeout, json },
  examples: [
    { line: 'kad set motd "back at noon" --bootstrap udp://127.0.0.1:4100', does: "write" },
    { line: "kad get --name motd --bootstrap udp://127.0.0.1:4100", does: "and read it from anywhere" },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, json: isJson } = options;
    const [name = "", argument] = args;
    const value = await readValue(io, { argument, file: options.file, maxBytes: maxValueBytes });
    await withClient(io, { bootstrap: seeds, timeoutMs }, async (node, progress) => {
      progress.task = "storing";
      const put = await node.set(name, value, { timeoutMs, signal: io.signal });
      tellStored(io, isJson, progress, put, { bytes: value.length });
    });
    return exitCode.ok;
  },
});
