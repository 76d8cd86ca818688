/**
 * `kad explain`: why a search goes the way it goes.
 */
import type { RecordKey } from "@kad/core";
import type { DhtNode, Explained, Explanation } from "@kad/dht";
import { defaultClientTimeoutMs, withClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { oneLine, WrongUsage } from "../failure.ts";
import { roundedMs, writeEvent } from "../json.ts";
import { keyArgument, nameOption, ownerOption, readOwnedKey } from "../key-argument.ts";
import { bootstrap, json, timeout } from "../options.ts";
import { security } from "../security-options.ts";
import { plural } from "../text.ts";
import { describeEffort, type Effort, effortFields } from "../walk.ts";

type Query = "get" | "find" | "providers";

/** What a search came to, in a word or two, and why. */
interface Outcome {
  readonly found: string;
  readonly explanation: Explanation;
  readonly effort: Effort;
}

type Search = (node: DhtNode, key: RecordKey, options: SearchOptions) => Promise<Outcome>;

interface SearchOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly explain: true;
}

const searches: Readonly<Record<Query, Search>> = {
  get: async (node, key, options) => {
    const result = await node.get(key, options);
    const { value, stats } = result;
    const found = value === undefined ? "nobody has it" : `found ${plural(value.length, "byte")}`;
    return { found, explanation: explanationOf(result), effort: stats };
  },
  find: async (node, key, options) => {
    const result = await node.findNode(key, options);
    const found = `found ${plural(result.contacts.length, "node")}`;
    return { found, explanation: explanationOf(result), effort: result.stats };
  },
  providers: async (node, key, options) => {
    const result = await node.findProviders(key, options);
    const found = `found ${plural(result.providers.length, "provider")}`;
    return { found, explanation: explanationOf(result), effort: result.stats };
  },
};

export const explain: Command = defineCommand({
  name: "explain",
  summary: "Search for a key, and tell step by step who was asked and why it ended",
  description: [
    "Each line is a step: when, with whom, how many leading bits that node's id has in common with the key, its " +
      "address, and what happened: it was asked, it answered, it failed, it was slow, or it was passed over, and why. " +
      "The last two lines say why the search ended, and what it found. Finding nothing is no error here.",
    "With --json all of it is the event explanation.",
  ],
  args: [keyArgument],
  options: {
    bootstrap,
    name: nameOption,
    owner: ownerOption,
    query: {
      value: "QUERY",
      summary: "Which search: get, find or providers, as the commands of these names; get by default",
      parse: queryOf,
    },
    ...security,
    timeout,
    json,
  },
  examples: [
    { line: "kad explain KEY --bootstrap udp://127.0.0.1:4100", does: "where does kad get look?" },
    {
      line: "kad explain --name printers --query providers --bootstrap udp://127.0.0.1:4100",
      does: "why does nobody find them?",
    },
  ],
  async run({ options, args, io }) {
    const { bootstrap: seeds, timeout: timeoutMs = defaultClientTimeoutMs, name, query = "get" } = options;
    const keyOf = await readOwnedKey(args[0], name, options.owner);
    const { formatExplanation } = await import("@kad/dht");
    await withClient(io, { bootstrap: seeds, timeoutMs, security: options }, async (node, progress) => {
      progress.task = "searching";
      const outcome = await searches[query](node, keyOf(node), {
        timeoutMs,
        signal: io.signal,
        explain: true,
      });
      progress.end();
      const { explanation, found, effort } = outcome;
      if (options.json) {
        writeEvent(io.stdout, "explanation", {
          query,
          ...fieldsOf(explanation),
          found,
          ...effortFields(effort),
        });
      } else {
        io.stdout.write(`${formatExplanation(explanation)}\n${found}: ${describeEffort(effort)}\n`);
      }
    });
    return exitCode.ok;
  },
});

function queryOf(text: string): Query {
  if (text === "get" || text === "find" || text === "providers") return text;
  throw new WrongUsage(`"${oneLine(text)}"; allowed are get, find and providers`);
}

/** Always there: it was asked for. */
function explanationOf({ explanation }: Explained): Explanation {
  return explanation as Explanation;
}

/** Ids as text; the fields of an event stand beside the others of its step. */
function fieldsOf({ target, steps, omitted, why }: Explanation): Record<string, unknown> {
  return {
    target: target?.toHex(),
    steps: steps.map(({ afterMs, peer, event: { type, ...details }, ...where }) => ({
      afterMs: roundedMs(afterMs),
      id: peer?.toHex(),
      ...where,
      type,
      ...details,
    })),
    omitted,
    why,
  };
}
