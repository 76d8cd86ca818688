import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { takesValue } from "../src/command.ts";
import { chooseCommand } from "../src/command-line.ts";
import { commands } from "../src/commands.ts";
import { exitCodeMeanings } from "../src/exit-code.ts";
import { helpOf, helpOfAll } from "../src/help.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const pages = [
  ["kad", helpOfAll(commands)] as const,
  ...commands.map((one) => [one.name, helpOf(one)] as const),
];

describe("help", () => {
  it.each(pages)("of %s fits into 80 columns, examples aside", (_name, page) => {
    const long = page.split("\n").filter((line) => line.length > 80 && !line.startsWith("  kad "));
    expect(long).toEqual([]);
  });

  it("lists every command and exit code", () => {
    const page = helpOfAll(commands);
    const rows = [
      ...commands.map(({ name, summary }) => [name, summary] as const),
      ...Object.entries(exitCodeMeanings),
    ];
    for (const [left, right] of rows) {
      const [firstWord = ""] = right.split(" ");
      expect(page).toMatch(new RegExp(`^ +${left} +${firstWord}`, "m"));
    }
  });

  it.each(commands.map((command) => [command.name, command] as const))(
    "of kad %s names its arguments and options, and its examples can be typed",
    (_name, command) => {
      const page = helpOf(command);
      for (const { name } of command.args) expect(page).toContain(`\n  ${name} `);
      for (const [name, spec] of Object.entries(command.options)) {
        expect(page).toContain(takesValue(spec) ? `--${name} ${spec.value}` : `--${name} `);
      }
      expect(command.examples.length).toBeGreaterThan(0);
      for (const { line } of command.examples) {
        const words =
          line
            .replace(/^.*\| /, "")
            .replace(/ > .*$/, "")
            .match(/"[^"]*"|\S+/g) ?? [];
        const [program, ...argv] = words.map((word) => word.replaceAll('"', ""));
        expect(program).toBe("kad");
        expect(chooseCommand(argv, commands, {}).type).toBe("run");
      }
    },
  );
});

describe("the README", () => {
  it.each(commands.map((command) => [command.name, command] as const))(
    "documents kad %s",
    (name, command) => {
      const [, section = ""] =
        new RegExp(`^### \`kad ${name}[^\n]*\n([^]*?)(?=^##|$(?![^]))`, "m").exec(readme) ?? [];
      for (const option of Object.keys(command.options)) expect(section).toContain(`\`--${option}`);
    },
  );

  it("documents every exit code", () => {
    for (const [code, meaning] of Object.entries(exitCodeMeanings)) {
      expect(readme).toContain(`| ${code} | ${meaning} |`);
    }
  });
});
