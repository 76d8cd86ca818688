/** `npm run generate`: writes the golden traces and the tables of the README anew, after a change that was meant. */
import { writeFileSync } from "node:fs";
import { readme, readmeWithTables } from "./support/case-table.ts";
import { fileText, scenarios } from "./traces/scenarios.ts";

for (const [name, scenario] of Object.entries(scenarios)) {
  writeFileSync(new URL(`../vectors/${name}.json`, import.meta.url), fileText(scenario()));
}
writeFileSync(readme, readmeWithTables());
