/**
 * `kad announce`: a node that tells the network what it serves, until it is told to end.
 */
import { requireBootstrap } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { WrongUsage } from "../failure.ts";
import { keyArgument, nameOption, readKey } from "../key-argument.ts";
import { bootstrap, json } from "../options.ts";
import { security } from "../security-options.ts";
import { endOfRun, exitWithStdin, joinTimeout, listen, serve } from "../server.ts";
import { serverView } from "../server-view.ts";
import { grouped } from "../text.ts";

/** Beside a signature; without one there is room for more. */
const maxMetaBytes = 401;
const maxInsecureMetaBytes = 512;

export const announce: Command = defineCommand({
  name: "announce",
  summary: "Tell the network that this node serves a key, until Ctrl-C or SIGTERM",
  description: [
    "Starts a node, whose address the 20 nodes closest to the key tell whoever asks for its providers. It is renewed for " +
      "as long as the node runs, and withdrawn when it ends; of a node that is killed they forget it within the hour.",
    "What the key stands for, and what providers do for those who find them, is up to you: the node itself serves " +
      "nothing. Others see proven who has announced it, and not that it is true.",
    "With --json come the events of kad node, and announced.",
  ],
  args: [keyArgument],
  options: {
    bootstrap,
    name: { ...nameOption, summary: "Instead of KEY: any name, for which the hash of it stands" },
    meta: {
      value: "TEXT",
      summary: "What others should know before they connect, at most 401 bytes",
      parse: (text: string) => text,
    },
    listen,
    ...security,
    timeout: joinTimeout,
    "exit-with-stdin": exitWithStdin,
    json,
  },
  examples: [
    { line: "kad announce KEY --bootstrap udp://127.0.0.1:4100", does: "here is what the key stands for" },
    {
      line: 'kad announce --name printers --meta "2nd floor" --bootstrap udp://127.0.0.1:4100',
      does: "by name, with a note",
    },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, meta, name, json: isJson } = options;
    requireBootstrap(seeds);
    checkMeta(meta, options.insecure);
    const key = await readKey(args[0], name);
    const view = serverView(io, isJson);
    const end = endOfRun(io, options["exit-with-stdin"]);
    const settings = {
      listen: options.listen,
      bootstrap: seeds,
      timeoutMs: options.timeout,
      security: options,
    };
    await serve(settings, view, end, async (node) => {
      const said = meta === undefined ? {} : { meta };
      view.announced(await node.announce(key, { ...said, signal: end }));
    });
    return exitCode.ok;
  },
});

function checkMeta(text = "", isInsecure: boolean): void {
  const { length } = new TextEncoder().encode(text);
  const most = isInsecure ? maxInsecureMetaBytes : maxMetaBytes;
  if (length > most) throw new WrongUsage(`--meta: ${grouped(length)} bytes; allowed are ${most}`);
}
