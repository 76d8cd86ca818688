import { readFileSync } from "node:fs";
import { scenarios } from "../traces/scenarios.ts";

/** The golden traces as parsed from their files. */
export const goldenTraces: readonly unknown[] = Object.keys(scenarios).map((name) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")),
);
