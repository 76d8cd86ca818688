/** The programs in the pages of this repository, for all who compile and run them. */
import { type Page, type Program, pageOf } from "./markdown.ts";
import { pages, read } from "./repository.ts";

export { whyNotNative } from "./run.ts";

/** A program and the page that it stands in, as a path from the root. */
export type PageProgram = Program & { readonly page: string };

/** Its blocks show what is refused and what is not: no programs. */
const withoutPrograms: ReadonlySet<string> = new Set(["CONTRIBUTING.md"]);

export function readPage(page: string): Page {
  return pageOf(withoutPrograms.has(page) ? "" : read(page));
}

export function allPrograms(): PageProgram[] {
  return pages().flatMap((page) => readPage(page).programs.map((program) => ({ page, ...program })));
}
