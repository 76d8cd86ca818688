/** `npm run vectors`: writes the golden traces anew, after a change of the core that was meant. */
import { writeFileSync } from "node:fs";
import { fileText, scenarios } from "./scenarios.ts";

for (const [name, scenario] of Object.entries(scenarios)) {
  writeFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), fileText(scenario()));
}
