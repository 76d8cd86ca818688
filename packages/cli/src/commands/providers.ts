/**
 * `kad providers`: who serves a key.
 */
import type { Provider } from "@kad/dht";
import { base64Of, hexOf, textOf } from "../bytes.ts";
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure, oneLine } from "../failure.ts";
import { writeEvent } from "../json.ts";
import { keyArgument, nameOption, readKey } from "../key-argument.ts";
import { bootstrap, count, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { describeEffort, effortFields, failureOfWalk } from "../walk.ts";

const defaultLimit = 100;
const mostProviders = 1_000;

export const providers: Command = defineCommand({
  name: "providers",
  summary: "List who has announced a key, each as it is heard of",
  description: [
    "Each line is a provider: its id, its addresses, and what it says of itself. Of a popular key every search finds " +
      "others. One that was killed stands there for up to an hour. Where nobody has announced the key, the exit code is 3.",
    "With --json the event provider comes for each, the event found at the end.",
  ],
  args: [keyArgument],
  options: {
    bootstrap,
    name: { ...nameOption, summary: "Instead of KEY: the name that was announced" },
    limit: {
      value: "N",
      summary: `End when so many are known; ${defaultLimit} by default`,
      parse: count(1, mostProviders),
    },
    ...security,
    timeout,
    json,
  },
  examples: [
    {
      line: "kad providers KEY --bootstrap udp://127.0.0.1:4100",
      does: "who serves what the key stands for",
    },
    {
      line: "kad providers --name printers --limit 1 --bootstrap udp://127.0.0.1:4100",
      does: "one of them is enough",
    },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, name, json: isJson } = options;
    const { limit = defaultLimit } = options;
    const key = await readKey(args[0], name);
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      progress.task = "looking for providers";
      const search = node.findProviders(key, { timeoutMs, limit, signal: io.signal });
      for await (const provider of search) {
        progress.interrupt(() => {
          if (isJson) writeEvent(io.stdout, "provider", fieldsOf(provider));
          else io.stdout.write(lineOf(provider));
        });
      }
      const { providers: found, end, stats } = await search;
      if (found.length === 0) {
        throw failureOfWalk(end) ?? new Failure(exitCode.notFound, `nobody has announced ${name ?? args[0]}`);
      }
      progress.summary(describeEffort(stats));
      if (isJson) writeEvent(io.stdout, "found", { providers: found.length, end, ...effortFields(stats) });
    });
    return exitCode.ok;
  },
});

function fieldsOf({ id, publicKey, contact, meta, lifetimeMs }: Provider): Record<string, unknown> {
  return {
    id: id.toHex(),
    ...(publicKey && { publicKey: hexOf(publicKey) }),
    addresses: contact.addresses.map(({ key }) => key),
    meta: textOf(meta),
    metaBase64: base64Of(meta),
    lifetimeMs: Math.round(lifetimeMs),
  };
}

/** What strangers say of themselves is shown as text without control characters. */
function lineOf({ id, contact, meta }: Provider): string {
  const said = oneLine(new TextDecoder().decode(meta));
  const addresses = contact.addresses.map(({ key }) => key).join(" ");
  return `${id.toHex()}  ${addresses}${said === "" ? "" : `  ${said}`}\n`;
}
