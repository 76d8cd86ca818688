import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readme, readmeWithTables } from "./support/case-table.ts";

it("the README lists every suite and case: if not, npm run generate does", () => {
  expect(readFileSync(readme, "utf8")).toBe(readmeWithTables());
});
