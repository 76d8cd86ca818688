/**
 * A suite: the cases that every implementation of one interface must pass, each with a name, and with the rule that it
 * comes from. Registered with a test runner, or run by itself where there is none (a worker, a page).
 */
import { UsageError } from "@kad/core";
import { shown } from "./expectations.ts";
import { type Runner, runTests } from "./runner.ts";

/** A case as tables show it. */
export interface CaseInfo {
  /** A sentence; unique in its suite, and what {@link SuiteOptions.skip} names. */
  readonly name: string;
  /** What demands it: a rule of the machine by its number, or the part of the contract. */
  readonly rule: string;
  /** For which implementations, where not for all. */
  readonly appliesTo?: string;
}

export interface SuiteCase<Stage, Traits> extends CaseInfo {
  /** Why it says nothing about implementations with these traits; `undefined` where it does. */
  readonly inapplicable?: (traits: Traits) => string | undefined;
  readonly run: (stage: Stage) => void | Promise<void>;
}

export interface SuiteOptions {
  /** The test runner's `describe` and `it`; by default the globals of these names. */
  readonly runner?: Runner;
  /** What the report calls the implementation; by default the suite's own name. */
  readonly name?: string;
  /** Cases that are not run, by name, each with the reason that the report shows. */
  readonly skip?: Readonly<Record<string, string>>;
  /** How long a case waits for what has to happen before it fails, in the loop's own milliseconds; 4,000 by default. */
  readonly patienceMs?: number;
}

export interface CaseResult {
  readonly name: string;
  readonly outcome: "passed" | "skipped" | "failed";
  /** Why it was skipped, or what was expected; `undefined` when it has passed. */
  readonly reason: string | undefined;
}

/** Where one case plays: made from what is under test, and closed after it. */
export interface CaseStage {
  close(): void | Promise<void>;
}

export interface SuiteParts<Make, Options extends SuiteOptions, Traits, Stage extends CaseStage> {
  readonly title: string;
  readonly cases: readonly SuiteCase<Stage, Traits>[];
  /** What cases may depend on. Asked when cases are registered, so it may call `make` but start nothing. */
  readonly traitsOf: (make: Make, options: Options) => Traits;
  readonly setUp: (make: Make, options: Options) => Stage | Promise<Stage>;
}

/** `Make` gives what is under test, once for each case. */
export interface Suite<Make, Options extends SuiteOptions = SuiteOptions> {
  readonly title: string;
  readonly cases: readonly CaseInfo[];
  /**
   * Registers one test for each case.
   * @throws UsageError `invalidOption` for a skipped case that does not exist or has no reason, or without a runner
   */
  register(make: Make, options: Options): void;
  /**
   * Runs the cases one after another without a test runner; never rejects for what fails.
   * @param only names of cases; by default all
   * @throws (rejects) UsageError `invalidOption` as `register` does
   */
  run(make: Make, options: Options, only?: readonly string[]): Promise<readonly CaseResult[]>;
}

/** A {@link Suite} whose cases play on a stage of their own. */
export class StagedSuite<Make, Options extends SuiteOptions, Traits, Stage extends CaseStage>
  implements Suite<Make, Options>
{
  readonly title: string;
  readonly cases: readonly CaseInfo[];
  readonly #parts: SuiteParts<Make, Options, Traits, Stage>;

  constructor(parts: SuiteParts<Make, Options, Traits, Stage>) {
    this.title = parts.title;
    this.cases = parts.cases.map(({ name, rule, appliesTo }) => ({
      name,
      rule,
      ...(appliesTo === undefined ? {} : { appliesTo }),
    }));
    this.#parts = parts;
  }

  register(make: Make, options: Options): void {
    this.#checkSkips(options);
    const traits = this.#parts.traitsOf(make, options);
    const tests = this.#parts.cases.map((one) => ({
      title: one.name,
      skipReason: skipReason(one, options, traits),
      run: () => this.#play(one, make, options),
    }));
    runTests(options.name ?? this.title, tests, options.runner);
  }

  async run(make: Make, options: Options, only?: readonly string[]): Promise<readonly CaseResult[]> {
    this.#checkSkips(options);
    const traits = this.#parts.traitsOf(make, options);
    const results: CaseResult[] = [];
    for (const one of this.#parts.cases) {
      if (only !== undefined && !only.includes(one.name)) continue;
      const { name } = one;
      const skipped = skipReason(one, options, traits);
      if (skipped !== undefined) results.push({ name, outcome: "skipped", reason: skipped });
      else results.push(await this.#try(one, make, options));
    }
    return results;
  }

  async #try(one: SuiteCase<Stage, Traits>, make: Make, options: Options): Promise<CaseResult> {
    const { name } = one;
    try {
      await this.#play(one, make, options);
      return { name, outcome: "passed", reason: undefined };
    } catch (error) {
      return { name, outcome: "failed", reason: shown(error) };
    }
  }

  async #play(one: SuiteCase<Stage, Traits>, make: Make, options: Options): Promise<void> {
    const stage = await this.#parts.setUp(make, options);
    try {
      await one.run(stage);
    } catch (error) {
      await Promise.resolve(stage.close()).catch(() => undefined); // the first failure is the one to tell
      throw error;
    }
    await stage.close();
  }

  #checkSkips({ skip = {} }: SuiteOptions): void {
    for (const [name, reason] of Object.entries(skip)) {
      if (!this.#parts.cases.some((one) => one.name === name)) {
        const names = this.#parts.cases.map((one) => `"${one.name}"`).join(", ");
        throw new UsageError(
          "invalidOption",
          `skip: "${name}" is no case of this suite; allowed are ${names}`,
        );
      }
      if (typeof reason !== "string" || reason.trim() === "") {
        throw new UsageError(
          "invalidOption",
          `skip: "${name}" has no reason; allowed is a sentence that says why`,
        );
      }
    }
  }
}

function skipReason<Stage, Traits>(
  { name, inapplicable }: SuiteCase<Stage, Traits>,
  { skip = {} }: SuiteOptions,
  traits: Traits,
): string | undefined {
  return skip[name] ?? inapplicable?.(traits);
}

/** Shows results of {@link Suite.run}, from wherever they came (a worker, a page), as tests of a runner. */
export function reportResults(title: string, results: readonly CaseResult[], runner?: Runner): void {
  const tests = results.map(({ name, outcome, reason }) => ({
    title: name,
    skipReason: outcome === "skipped" ? (reason ?? "no reason") : undefined,
    run: () => {
      if (outcome === "failed") throw new Error(reason);
    },
  }));
  runTests(title, tests, runner);
}
