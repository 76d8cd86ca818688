import { describe, expect, it } from "vitest";
import { defineCommand } from "../src/command.ts";
import { type Choice, chooseCommand, usageLine } from "../src/command-line.ts";
import { commands } from "../src/commands.ts";
import { WrongUsage } from "../src/failure.ts";
import type { Env } from "../src/io.ts";
import { bootstrap, count, json } from "../src/options.ts";

const copy = defineCommand({
  name: "copy",
  summary: "",
  description: [],
  args: [
    { name: "FROM", summary: "" },
    { name: "TO", summary: "", optional: true },
  ],
  options: { bootstrap, json, times: { value: "N", summary: "", parse: count(1, 9) } },
  examples: [],
  run: async () => 0,
});

function choose(argv: readonly string[], env: Env = {}): Choice {
  return chooseCommand(argv, [copy], env);
}

function refusal(argv: readonly string[], env: Env = {}): string {
  try {
    choose(argv, env);
  } catch (error) {
    expect(error).toBeInstanceOf(WrongUsage);
    return (error as WrongUsage).message;
  }
  throw new Error("it was accepted");
}

describe("the command line", () => {
  it("gives a command its options and arguments", () => {
    const argv = ["copy", "a", "--times", "3", "--bootstrap", "udp://a:1", "--bootstrap=udp://b:2", "--json"];
    expect(choose(argv)).toEqual({
      type: "run",
      command: copy,
      args: ["a", undefined],
      options: { bootstrap: ["udp://a:1", "udp://b:2"], json: true, times: 3 },
    });
  });

  it("tells what is absent: a flag is false, a value undefined, a list empty", () => {
    expect(choose(["copy", "a", "b"])).toMatchObject({
      args: ["a", "b"],
      options: { bootstrap: [], json: false, times: undefined },
    });
  });

  it("takes for an option what the environment says, and the command line before that", () => {
    const env = { KAD_BOOTSTRAP: " udp://a:1  udp://b:2 " };
    expect(choose(["copy", "a"], env)).toMatchObject({ options: { bootstrap: ["udp://a:1", "udp://b:2"] } });
    expect(choose(["copy", "a", "--bootstrap", "udp://c:3"], env)).toMatchObject({
      options: { bootstrap: ["udp://c:3"] },
    });
  });

  it("takes a single dash and everything behind a double one as arguments", () => {
    expect(choose(["copy", "-"])).toMatchObject({ args: ["-", undefined] });
    expect(choose(["copy", "--", "--json", "-x"])).toMatchObject({ args: ["--json", "-x"] });
  });

  it.each([
    [["--help"], undefined],
    [["-h"], undefined],
    [["help"], undefined],
    [["help", "copy"], copy],
    [["copy", "--help"], copy],
    [["copy", "-h", "--no-such"], copy],
  ])("gives help for %j", (argv, command) => {
    expect(choose(argv)).toEqual({ type: "help", command });
  });

  it("gives the version", () => {
    expect([choose(["--version"]), choose(["-V"])]).toEqual([{ type: "version" }, { type: "version" }]);
  });

  it.each([
    [[], "which command? `kad --help` lists them"],
    [["cpoy"], 'there is no command "cpoy"; `kad --help` lists them'],
    [["copi"], 'there is no command "copi"; did you mean "copy"?'],
    [["x".repeat(1_000)], `there is no command "${"x".repeat(1_000)}"; \`kad --help\` lists them`],
    [["--json"], 'the command comes first, before "--json": kad COMMAND [OPTIONS]'],
    [["copy"], "FROM is missing: kad copy FROM [TO] [OPTIONS]"],
    [["copy", "a", "b", "c"], '"c" is one argument too many: kad copy FROM [TO] [OPTIONS]'],
    [["copy", "a", "--jsn"], 'kad copy has no option "--jsn"; did you mean "--json"?'],
    [["copy", "a", "--what"], 'kad copy has no option "--what"; `kad copy --help` lists them'],
    [["copy", "a", "-x"], 'kad copy has no option "-x"; `kad copy --help` lists them'],
    [["copy", "a", "--toString"], 'kad copy has no option "--toString"; `kad copy --help` lists them'],
    [["copy", "a", "--json=yes"], '--json takes no value, not "yes"'],
    [["copy", "a", "--times"], "--times needs a value: --times N"],
    [["copy", "a", "--times", "--json"], "--times needs a value: --times N"],
    [["copy", "a", "--times", "0"], '--times: "0"; allowed is a whole number from 1 to 9'],
    [["copy", "a", "--times", "1", "--times", "2"], "--times is given twice"],
    [["copy", "a", "--bootstrap", "x"], '--bootstrap: "x" is no URL; udp://127.0.0.1:4100 would be one'],
  ])("refuses %j and says why", (argv, message) => {
    expect(refusal(argv)).toBe(message);
  });

  it("names the environment where its value is wrong", () => {
    expect(refusal(["copy", "a"], { KAD_BOOTSTRAP: "x" })).toMatch(/^KAD_BOOTSTRAP: "x" is no URL/);
  });

  it("lets a fault of its own pass as it is", () => {
    const parse = (): never => {
      throw new RangeError("a fault");
    };
    const faulty = defineCommand({ ...copy, args: [], options: { it: { value: "X", summary: "", parse } } });
    expect(() => chooseCommand(["copy", "--it", "1"], [faulty], {})).toThrow(RangeError);
  });

  it("names every command once", () => {
    const names = commands.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(usageLine(copy)).toBe("kad copy FROM [TO] [OPTIONS]");
  });
});
