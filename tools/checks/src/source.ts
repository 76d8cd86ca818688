/**
 * A source file, parsed once for all rules (oxc-parser: a syntax tree, no types).
 */
import { type Comment, type Program, parseSync, Visitor } from "oxc-parser";
import { lineAt } from "./finding.ts";

/** A module name as written, wherever it can be written: import, export from, import(), import type, require. */
export type ImportedName = { readonly specifier: string; readonly line: number };

export type Source = {
  /** Relative to the root, with `/`. */
  readonly file: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
};

export function parseSource(file: string, text: string): Source {
  const { program, comments, errors } = parseSync(file, text);
  const first = errors[0];
  if (first !== undefined) throw new Error(`${file}: ${first.message}`);
  return { file, text, program, comments };
}

export function importsOf(source: Source): ImportedName[] {
  const found: ImportedName[] = [];
  const add = (node: { type: string; value?: unknown; start: number } | null | undefined): void => {
    if (node?.type !== "Literal" || typeof node.value !== "string") return;
    found.push({ specifier: node.value, line: lineAt(source.text, node.start) });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    TSExternalModuleReference: (node) => add(node.expression),
    CallExpression(node) {
      if (node.callee.type === "Identifier" && node.callee.name === "require") add(node.arguments[0]);
    },
  }).visit(source.program);
  return found;
}

/** The package of a bare specifier: `@kad/core/x` is `@kad/core`, `ws/lib/a.js` is `ws`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
