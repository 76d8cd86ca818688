import { describe, expect, it } from "vitest";
import { benchmarks } from "../src/benchmarks/benchmarks.ts";
import { parseOptions } from "../src/options.ts";

describe("the command line", () => {
  it("runs everything by default", () => {
    expect(parseOptions([], benchmarks, fail)).toEqual({
      benchmarks,
      quick: false,
      output: "tables",
      rounds: undefined,
      only: undefined,
    });
  });

  it("takes names, in the order of the benchmarks", () => {
    const options = parseOptions(
      ["codec", "table", "--quick", "--json", "--rounds", "2", "--only", "kad"],
      benchmarks,
      fail,
    );
    expect(options?.benchmarks.map(({ name }) => name)).toEqual(["table", "codec"]);
    expect(options).toMatchObject({ quick: true, output: "json", rounds: 2, only: "kad" });
  });

  it.each([["tables"], ["--fast"], ["--rounds", "0"], ["--rounds", "many"], ["--markdown", "--only", "kad"]])(
    "refuses %s %s",
    (...args) => {
      const said: string[] = [];
      expect(parseOptions(args, benchmarks, (text) => said.push(text))).toBeUndefined();
      expect(said.join()).toContain("npm run bench");
    },
  );
});

function fail(text: string): never {
  throw new Error(text);
}
