/**
 * Core has no clock and no randomness: the same inputs always give the same outputs. The compiler already hides timers,
 * `crypto` and `performance` from it; what is left are the few names of the language itself that answer differently
 * from run to run.
 */
import { Visitor } from "oxc-parser";
import { type Finding, lineAt } from "./finding.ts";
import type { Source } from "./source.ts";

const globals = new Set(["Date", "FinalizationRegistry", "WeakRef", "globalThis"]);

export function checkDeterminism(source: Source): Finding[] {
  const found: Finding[] = [];
  const report = (offset: number, name: string): void => {
    const message = `core may not use ${name}: time and randomness come in as arguments`;
    found.push({ file: source.file, line: lineAt(source.text, offset), message });
  };
  new Visitor({
    Identifier(node) {
      if (globals.has(node.name)) report(node.start, node.name);
    },
    MemberExpression(node) {
      const { object, property } = node;
      if (object.type !== "Identifier" || object.name !== "Math") return;
      if (property.type === "Identifier" ? property.name === "random" : node.computed) {
        report(node.start, "Math.random");
      }
    },
  }).visit(source.program);
  return found;
}
