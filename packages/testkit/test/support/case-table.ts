/** The tables of all cases in the README, made from the suites. */
import { readFileSync } from "node:fs";
import {
  type CaseInfo,
  loopAdapterCases,
  machineCases,
  recordStoreCases,
  secureChannelCases,
  transportCases,
} from "../../src/index.ts";

const suites = [
  ["loopAdapterSuite", loopAdapterCases],
  ["transportSuite", transportCases],
  ["recordStoreSuite", recordStoreCases],
  ["machineSuite", machineCases],
  ["secureChannelSuite", secureChannelCases],
] as const;

const row = ({ name, rule, appliesTo = "" }: CaseInfo): string => `| ${name} | ${rule} | ${appliesTo} |`;

function caseTables(): string {
  return suites
    .map(([name, { title, cases }]) =>
      [
        `### \`${name}\`: ${title}`,
        "",
        "| case | demanded by | only for |",
        "|---|---|---|",
        ...cases.map(row),
      ].join("\n"),
    )
    .join("\n\n");
}

export const readme: URL = new URL("../../README.md", import.meta.url);
const [begin, end] = ["<!-- cases: npm run generate -->\n\n", "\n\n<!-- end of cases -->"];

/** The README as it is, with the tables as they should be. */
export function readmeWithTables(): string {
  const text = readFileSync(readme, "utf8");
  const [head, tail] = [text.split(begin)[0], text.split(end)[1]];
  if (tail === undefined) throw new Error(`README.md has no "${begin.trim()}" and "${end.trim()}"`);
  return `${head}${begin}${caseTables()}${end}${tail}`;
}
