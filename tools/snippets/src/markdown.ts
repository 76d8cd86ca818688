/**
 * What a page of Markdown holds that can be checked: its code, and where its links lead.
 *
 * A block of code is a program, or goes on with the program above it on the same page:
 *
 * - ` ```ts ` or ` ```js ` with an `import` in it begins a program; without one it continues the last;
 * - ` ```ts no-run ` is compiled only (with ` ```js ` it is left alone);
 * - ` ```ts linux ` is run only where native calls of Linux can be made;
 * - ` ```ts examples/in-memory/src/index.ts ` is an excerpt of that file, line by line as it stands there.
 *
 * A comment `// → text` at the end of a line says what the program prints there.
 */
interface CodeBlock {
  readonly language: "ts" | "js";
  /** What follows the language: nothing, `no-run`, `linux`, or a file. */
  readonly note: string;
  readonly code: string;
  /** 1-based, of the first line of code. */
  readonly line: number;
}

export interface Program {
  readonly language: "ts" | "js";
  readonly isRun: boolean;
  /** It calls functions of Linux, through koffi. */
  readonly isNative: boolean;
  readonly code: string;
  /** Where its first block begins. */
  readonly line: number;
  /** Lines that it must print, in this order, and no others. Empty: whatever it prints. */
  readonly prints: readonly string[];
}

interface Excerpt {
  readonly file: string;
  readonly code: string;
  readonly line: number;
}

export interface Page {
  readonly programs: readonly Program[];
  readonly excerpts: readonly Excerpt[];
}

function blocksOf(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { readonly info: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    const fence = /^```(.*)$/.exec(text)?.[1];
    if (fence === undefined) open?.lines.push(text);
    else if (open === undefined) open = { info: fence.trim(), line: index + 2, lines: [] };
    else {
      const { info, line, lines } = open;
      open = undefined;
      const [language, ...note] = info.split(" ");
      if (language !== "ts" && language !== "js") continue;
      blocks.push({ language, note: note.join(" "), code: `${lines.join("\n")}\n`, line });
    }
  }
  return blocks;
}

export function pageOf(markdown: string): Page {
  const programs: Program[] = [];
  const excerpts: Excerpt[] = [];
  for (const { language, note, code, line } of blocksOf(markdown)) {
    if (note !== "" && note !== "no-run" && note !== "linux") {
      excerpts.push({ file: note, code, line });
      continue;
    }
    const isRun = note !== "no-run";
    const isNative = note === "linux";
    const before = programs.at(-1);
    const continues =
      !/^import /m.test(code) &&
      before?.language === language &&
      before.isRun === isRun &&
      before.isNative === isNative;
    const whole = continues ? before.code + code : code;
    if (continues) programs.pop();
    programs.push({
      language,
      isRun,
      isNative,
      code: whole,
      line: continues ? before.line : line,
      prints: printsOf(whole),
    });
  }
  return { programs, excerpts };
}

function printsOf(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1] as string);
}

/** Whether the excerpt's lines stand in the file one after another, indented as a whole by any amount. */
export function isExcerptOf(code: string, file: string): boolean {
  const wanted = outdented(code.trimEnd().split("\n"));
  const lines = file.split("\n");
  for (let first = 0; first + wanted.length <= lines.length; first++) {
    const found = outdented(lines.slice(first, first + wanted.length));
    if (found.every((line, index) => line === wanted[index])) return true;
  }
  return false;
}

function outdented(lines: readonly string[]): string[] {
  const indents = lines.flatMap((line) =>
    line.trim() === "" ? [] : [line.length - line.trimStart().length],
  );
  const indent = indents.length === 0 ? 0 : Math.min(...indents);
  return lines.map((line) => line.slice(indent).trimEnd());
}

/** Relative targets of links and images outside code, without their anchors. */
export function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] as string).replace(/#.*$/, ""))
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target));
}
