import { readFileSync } from "node:fs";
import { connectionLimitSpecs, limitSpecs } from "@kad/core";
import { datagramLimitSpecs, streamLimitSpecs } from "@kad/crypto";
import { createNodeDefaults, fileDefaults } from "@kad/dht";
import { describe, expect, it } from "vitest";
import { sourcesOf } from "../src/doc-lines.ts";
import { pageFile, writePage } from "../src/page.ts";

const documented = {
  ...limitSpecs,
  ...connectionLimitSpecs,
  ...datagramLimitSpecs,
  ...streamLimitSpecs,
  ...createNodeDefaults,
  ...fileDefaults,
};

describe("docs/options.md", () => {
  it("is what the constants say: if not, npm run docs:options writes it anew", () => {
    expect(readFileSync(pageFile, "utf8")).toBe(writePage());
  });

  it.each(Object.keys(documented))("has a row for %s", (name) => {
    expect(writePage()).toContain(`| \`${name}\` | `);
  });

  it("is not written while a limit says nowhere where it comes from", () => {
    const text = '  one: limitSpec(1, "", 0, 2), // a paper\n  two: limitSpec(1, "", 0, 2),\n';
    expect(sourcesOf(text, ["one"]).get("one")).toBe("a paper");
    expect(() => sourcesOf(text, ["one", "two"])).toThrow("two without a source");
  });
});
