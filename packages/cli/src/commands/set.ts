/**
 * `kad set`: writes a value under a name.
 */
import { hexOf } from "../bytes.ts";
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { tellStored } from "../stored.ts";
import { file, readValue } from "../value-input.ts";

/** Of an open record and of a signed one. */
const maxValueBytes = 896;

export const set: Command = defineCommand({
  name: "set",
  summary: "Write a value under a name: your own, or one that anyone may overwrite",
  description: [
    "With --identity the value is signed: nobody else can change it, and others read it by kad get --name NAME --owner " +
      "PUBLIC-KEY. Without, the name is everybody's: whoever knows it can read the value, and overwrite it; the last " +
      "writer wins. The key is the last line of the output.",
  ],
  args: [
    { name: "NAME", summary: "1 to 128 bytes of UTF-8" },
    {
      name: "VALUE",
      summary: "The value, at most 896 bytes; - takes it from standard input",
      optional: true,
    },
  ],
  options: { bootstrap, file, ...security, timeout, json },
  examples: [
    { line: 'kad set motd "back at noon" --bootstrap udp://127.0.0.1:4100', does: "write" },
    { line: "kad get --name motd --bootstrap udp://127.0.0.1:4100", does: "and read it from anywhere" },
    {
      line: "kad set motd open --identity ~/.kad-identity --bootstrap udp://127.0.0.1:4100",
      does: "as one's own",
    },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, json: isJson } = options;
    const [name = "", argument] = args;
    const value = await readValue(io, { argument, file: options.file, maxBytes: maxValueBytes });
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      progress.task = "storing";
      const open = options.identity === undefined;
      const put = await node.set(name, value, { open, timeoutMs, signal: io.signal });
      const owner = open ? undefined : node.publicKey;
      tellStored(io, isJson, progress, put, { bytes: value.length, ...(owner && { owner: hexOf(owner) }) });
    });
    return exitCode.ok;
  },
});
