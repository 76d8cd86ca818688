/**
 * docs/options.md: every option that has a number for its default, from the constants that the code itself works with and
 * the comments that stand beside them.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { connectionLimitSpecs, type LimitSpec, limitSpecs } from "@kad/core";
import { datagramLimitSpecs, streamLimitSpecs } from "@kad/crypto";
import { createNodeDefaults, fileDefaults, keepAliveDefaults } from "@kad/dht";
import { docLinesOf, sourcesOf } from "./doc-lines.ts";

const root = new URL("../../../", import.meta.url);
export const pageFile: string = fileURLToPath(new URL("docs/options.md", root));

/** Options by who takes them: the interface, its file, and the defaults that are constants. */
const takers: readonly {
  readonly title: string;
  readonly file: string;
  readonly name: string;
  readonly defaults?: Readonly<Record<string, unknown>>;
}[] = [
  { title: "`createNode`", file: "options.ts", name: "CreateNodeOptions", defaults: createNodeDefaults },
  { title: "`createNode`, as its `security`", file: "options.ts", name: "SecurityOptions" },
  { title: "every operation", file: "options.ts", name: "OperationOptions" },
  {
    title: "every operation from `findNode` to `findProviders`, beside those above",
    file: "options.ts",
    name: "WalkOptions",
  },
  { title: "`findNode`", file: "options.ts", name: "FindNodeOptions" },
  { title: "`get`, `getText`, `keyOf` and `keepAlive` with a name", file: "options.ts", name: "Whose" },
  { title: "`get`, `getText`", file: "options.ts", name: "GetOptions" },
  { title: "`put`, `set`, `putRecord`", file: "options.ts", name: "PutOptions" },
  { title: "`set`, `putRecord`", file: "options.ts", name: "SwapOptions" },
  { title: "`set`", file: "options.ts", name: "SetOptions" },
  { title: "`keepAlive`", file: "options.ts", name: "KeepAliveOptions", defaults: keepAliveDefaults },
  { title: "`announce`", file: "options.ts", name: "AnnounceOptions" },
  { title: "`findProviders`", file: "options.ts", name: "FindProvidersOptions" },
  { title: "`putFile`", file: "files/options.ts", name: "PutFileOptions", defaults: fileDefaults },
  { title: "`getFile`", file: "files/options.ts", name: "GetFileOptions", defaults: fileDefaults },
];

export function writePage(): string {
  const sections = takers.map(
    ({ title, file, name, defaults = {} }) => `## Of ${title}\n\n${optionsTable(file, name, defaults)}`,
  );
  return `# Options and limits

Every option of \`@kad/dht\`, and every number that a node works by. This page is made from the code, its constants and its
comments, by \`npm run docs:options\`; \`npm test\` fails when it says something else than they do.

Times are numbers of milliseconds and sizes are numbers of bytes; round ones are shown here in larger units, so that
10 s is \`10_000\`. What is out of its range throws, or rejects with, \`UsageError\` \`invalidOption\`, which names the option,
the value and the range.

${sections.join("\n\n")}

## Limits

\`createNode({ limits: { bucketSize: 16 } })\`, and the same names for core's \`KadNode\`. Whole numbers all. "(ours)" marks
numbers that no paper and no other implementation gives.

${sourcedTable("options.ts", "NodeLimits", limitSpecs)}

## Limits of connections

Of each transport of streams, as its option \`limits\`: \`tcp({ limits: { maxAccepted: 4_096 } })\`.

${sourcedTable("connection-limits.ts", "ConnectionLimits", connectionLimitSpecs)}

## Limits of the secure channel over datagrams

\`createNode({ security: { datagrams: { maxSessions: 4_096 } } })\`; with \`@kad/crypto\` alone, the option \`limits\` of \`secure\`.

${limitsTable("crypto/src/datagrams/limits.ts", "DatagramLimits", datagramLimitSpecs)}

## Limits of the secure channel over streams

\`createNode({ security: { streams: { maxConnections: 4_096 } } })\`; with \`@kad/crypto\` alone, the option \`limits\` of
\`secureStreams\`.

${limitsTable("crypto/src/streams/limits.ts", "StreamLimits", streamLimitSpecs)}
`;
}

function optionsTable(file: string, name: string, defaults: Readonly<Record<string, unknown>>): string {
  const docs = docLinesOf(read(`packages/dht/src/${file}`), name);
  if (Object.keys(defaults).length === 0) {
    return table(
      ["option", "means"],
      [...docs].map(([option, doc]) => [`\`${option}\``, doc]),
    );
  }
  const rows = [...docs].map(([option, doc]) => {
    const value = option in defaults ? shown(defaults[option], option.endsWith("Ms") ? "ms" : "") : "";
    return [`\`${option}\``, value, doc.replace(/; see `\w+Defaults`/, "")];
  });
  return table(["option", "default", "means"], rows);
}

function limitsTable(
  file: string,
  type: string,
  specs: Readonly<Record<string, LimitSpec>>,
  sources?: ReadonlyMap<string, string>,
): string {
  const docs = docLinesOf(read(`packages/${file}`), type);
  const rows = Object.entries(specs).map(([name, spec]) => [
    `\`${name}\``,
    shown(spec.value, spec.unit),
    `${shown(spec.min, spec.unit)} – ${shown(spec.max, spec.unit)}`,
    docs.get(name) as string,
    ...(sources === undefined ? [] : [sources.get(name) as string]),
  ]);
  const head = ["limit", "default", "from – to", "means"];
  return table(sources === undefined ? head : [...head, "source"], rows);
}

/** The same for core's limits, which all say where they come from. */
function sourcedTable(file: string, type: string, specs: Readonly<Record<string, LimitSpec>>): string {
  const path = `core/src/${file}`;
  return limitsTable(path, type, specs, sourcesOf(read(`packages/${path}`), Object.keys(specs)));
}

function read(file: string): string {
  return readFileSync(new URL(file, root), "utf8");
}

const durations = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
] as const;

const sizes = [
  [2 ** 40, "TiB"],
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
] as const;

/** Round numbers of ms and bytes in their largest whole unit. */
function shown(value: unknown, unit: LimitSpec["unit"]): string {
  if (typeof value !== "number") return String(value);
  const units = unit === "ms" ? durations : unit === "bytes" ? sizes : [];
  const found = units.find(([size]) => value >= size && value % size === 0);
  if (found !== undefined) return `${(value / found[0]).toLocaleString("en-US")} ${found[1]}`;
  const suffix = unit === "per second" ? "/s" : unit === "" || value === 0 ? "" : ` ${unit}`;
  return `${value.toLocaleString("en-US")}${suffix}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
