/**
 * `kad find`: the nodes closest to a key.
 */
import type { Contact, NodeId } from "@kad/core";
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import { writeEvent } from "../json.ts";
import { keyArgument, nameOption, readKey } from "../key-argument.ts";
import { bootstrap, count, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { describeEffort, effortFields, failureOfWalk } from "../walk.ts";

const defaultResults = 8;
const mostResults = 255;

export const find: Command = defineCommand({
  name: "find",
  summary: "List the nodes that are closest to a key, closest first",
  description: [
    "Each line is a node: its id, how many leading bits it has in common with the key, and its addresses. With --json " +
      "the event node comes for each as it answers, the event found at the end.",
  ],
  args: [keyArgument],
  options: {
    bootstrap,
    name: nameOption,
    results: {
      value: "N",
      summary: `How many of the closest must have answered; ${defaultResults} by default`,
      parse: count(1, mostResults),
    },
    ...security,
    timeout,
    json,
  },
  examples: [
    { line: "kad find KEY --bootstrap udp://127.0.0.1:4100", does: "who keeps the record with this key" },
    {
      line: "kad find --name motd --results 20 --bootstrap udp://127.0.0.1:4100",
      does: "all 20 of them, by name",
    },
  ],
  async run({ options, args, io }) {
    const {
      bootstrap: seeds,
      timeout: timeoutMs = defaultClientTimeoutMs,
      results = defaultResults,
      name,
    } = options;
    const target = await readKey(args[0], name);
    const { commonPrefixLength } = await import("@kad/core");
    const sharedBits = (id: NodeId): number => commonPrefixLength(target, id);
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      progress.task = "looking for the closest nodes";
      const search = node.findNode(target, { timeoutMs, results, signal: io.signal });
      if (options.json)
        for await (const contact of search)
          writeEvent(io.stdout, "node", fieldsOf(contact, sharedBits(contact.id)));
      const { contacts, end, stats } = await search;
      const failure = contacts.length > 0 ? undefined : failureOfWalk(end);
      if (failure !== undefined) throw failure;
      if (contacts.length === 0) throw new Failure(exitCode.notFound, "there is no other node");
      progress.summary(describeEffort(stats));
      if (options.json) {
        writeEvent(io.stdout, "found", { nodes: contacts.length, end, ...effortFields(stats) });
      } else {
        io.stdout.write(contacts.map((contact) => lineOf(contact, sharedBits(contact.id))).join(""));
      }
    });
    return exitCode.ok;
  },
});

function fieldsOf({ id, addresses }: Contact, sharedBits: number): Record<string, unknown> {
  return { id: id.toHex(), sharedBits, addresses: addresses.map(({ key }) => key) };
}

function lineOf({ id, addresses }: Contact, sharedBits: number): string {
  const bits = `${String(sharedBits).padStart(3)} bits`;
  return `${id.toHex()}  ${bits}  ${addresses.map(({ key }) => key).join(" ")}\n`;
}
