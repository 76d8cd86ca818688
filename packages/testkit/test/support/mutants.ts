/** Tests of a suite itself: each of its cases must catch, by name, what was broken on purpose. */
import { describe, expect, it } from "vitest";
import type { Suite, SuiteOptions } from "../../src/index.ts";

/** What is wrong with each mutant, and the mutant. */
export type Mutants<Make> = Readonly<Record<string, Make>>;

/** What a mutant throws by itself: a case that lets it through has caught it. */
export function mutantError(): Error {
  return new Error("the mutant throws");
}

/**
 * `mutants` are those that a case must catch, by the name of the case; every case has one. `optionsOf` gives other
 * options to cases that do not apply with the usual ones.
 */
export function describeMutants<Make, Options extends SuiteOptions>(
  suite: Suite<Make, Options>,
  options: Options,
  mutants: Readonly<Record<string, Mutants<Make>>>,
  optionsOf: Readonly<Record<string, Options>> = {},
): void {
  describe(`every case of the suite for ${suite.title} catches a mutant`, () => {
    it("and there is a mutant for every case", () => {
      expect(Object.keys(mutants).sort()).toEqual(suite.cases.map(({ name }) => name).sort());
    });
    for (const [name, makes] of Object.entries(mutants)) {
      it.each(Object.entries(makes))(`"${name}" catches one that %s`, async (_title, make) => {
        const results = await suite.run(make, optionsOf[name] ?? options, [name]);
        expect(results).toEqual([{ name, outcome: "failed", reason: expect.any(String) }]);
        // And not by accident: what fails is an expectation, or what the mutant throws.
        expect(results[0]?.reason).toMatch(/^ExpectationError: |^Error: the mutant throws$/);
      });
    }
  });
}
