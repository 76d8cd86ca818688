/** What a suite needs of a test runner, and how its cases appear there. */
import { UsageError } from "@kad/core";

/** What a test does; a promise that rejects fails it, as a throw does. */
export type TestBody = () => void | Promise<void>;

/** vitest, node:test, mocha, jest, bun:test and others have these functions, as globals or to be imported. */
export interface Runner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly it: {
    (title: string, body: TestBody): unknown;
    readonly skip: (title: string, body: TestBody) => unknown;
  };
}

/** One test for a runner: run, or shown as skipped with its reason in the title. */
export interface RunnableTest {
  readonly title: string;
  readonly skipReason: string | undefined;
  readonly run: TestBody;
}

/** @throws UsageError `invalidOption` where neither `runner` nor a global `describe` and `it` is there */
export function runTests(title: string, tests: readonly RunnableTest[], runner?: Runner): void {
  const { describe, it } = runner ?? globalRunner();
  describe(title, () => {
    for (const { title, skipReason, run } of tests) {
      if (skipReason === undefined) it(title, run);
      else it.skip(`${title} (skipped: ${skipReason})`, () => {});
    }
  });
}

declare const describe: Runner["describe"] | undefined;
declare const it: Runner["it"] | undefined;

function globalRunner(): Runner {
  if (typeof describe === "function" && typeof it === "function") return { describe, it };
  throw new UsageError(
    "invalidOption",
    "runner: undefined, and there is no global describe and it; allowed is { describe, it } of a test runner",
  );
}
