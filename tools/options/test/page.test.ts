import { readFileSync } from "node:fs";
import { limitSpecs } from "@kad/core";
import { createNodeDefaults, fileDefaults } from "@kad/dht";
import { describe, expect, it } from "vitest";
import { pageFile, writePage } from "../src/page.ts";

describe("docs/options.md", () => {
  it("is what the constants say: if not, npm run docs:options writes it anew", () => {
    expect(readFileSync(pageFile, "utf8")).toBe(writePage());
  });

  it.each(Object.keys({ ...limitSpecs, ...createNodeDefaults, ...fileDefaults }))(
    "has a row for %s",
    (name) => {
      expect(writePage()).toContain(`| \`${name}\` | `);
    },
  );
});
