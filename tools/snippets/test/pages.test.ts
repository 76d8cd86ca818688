import { posix } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readPage } from "../src/index.ts";
import { isExcerptOf, linksOf } from "../src/markdown.ts";
import { exists, openWorkshop, pages, read, writeProgram } from "../src/repository.ts";
import { compile, run, whyNotNative } from "../src/run.ts";

/** The command's README opens with a command. */
const opensWithCode = /^(?:packages\/(?!cli\/)[^/]+\/|adapters\/[^/]+\/)?README\.md$/;

const whyNot = whyNotNative();
const all = pages().map((page) => ({ page, ...readPage(page) }));
const programs = all.flatMap((one) => one.programs.map((program) => ({ page: one.page, ...program })));
const excerpts = all.flatMap((one) => one.excerpts.map((excerpt) => ({ page: one.page, ...excerpt })));
const files = new Map<object, string>();

beforeAll(() => {
  openWorkshop();
  for (const program of programs) files.set(program, writeProgram(program.page, program));
});

describe("the programs in our pages", () => {
  it("compile", async () => {
    expect(await compile()).toEqual({ status: 0, output: "", errors: "" });
  });

  it.concurrent.for(programs.filter(({ isRun }) => isRun))(
    "run: $page, line $line",
    { timeout: 90_000 },
    async (program, { skip }) => {
      if (program.isNative && whyNot !== undefined) skip(whyNot);
      const { status, output, errors } = await run(files.get(program) as string);
      expect({ status, errors }).toEqual({ status: 0, errors: "" });
      if (program.prints.length > 0) expect(output.trimEnd().split("\n")).toEqual(program.prints);
    },
  );
});

describe("a page", () => {
  it.each(excerpts)("shows $file as it is: $page, line $line", ({ file, code }) => {
    expect(isExcerptOf(code, read(file))).toBe(true);
  });

  it.each(pages())("links to what is there: %s", (page) => {
    const targets = linksOf(read(page)).map((link) => posix.join(posix.dirname(page), link));
    expect(targets.filter((target) => !exists(target))).toEqual([]);
  });

  it.each(all.filter(({ page }) => opensWithCode.test(page)))(
    "opens with code that runs: $page",
    ({ programs }) => {
      expect(programs[0]?.isRun).toBe(true);
    },
  );

  it("of the root has no line that is too long for a record", () => {
    const lengths = read("README.md")
      .split("\n")
      .map((line) => Buffer.byteLength(line));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1_000);
  });
});
