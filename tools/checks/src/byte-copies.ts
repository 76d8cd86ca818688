/**
 * `.slice` copies a Uint8Array but not a Buffer, which is a Uint8Array too: code that means a copy shares memory as soon
 * as Node hands it a Buffer. So `.slice` is refused unless the receiver is evidently a string or an array, or a comment
 * on the line, or on the line above, gives the reason: `// slice: names is a list of ours`.
 *
 * Evident without types means: a string, template or array literal; a call that yields only strings or arrays
 * (`split`, `Object.keys`, …); or a name that every binding in this file declares as `string` or as an array.
 */
import { type Node, Visitor } from "oxc-parser";
import { type Finding, lineAt } from "./finding.ts";
import type { Source } from "./source.ts";

export function checkByteCopies(source: Source): Finding[] {
  const lists = namesOfLists(source);
  const found: Finding[] = [];
  new Visitor({
    MemberExpression(node) {
      if (propertyName(node) !== "slice" || isList(node.object, lists)) return;
      const line = lineAt(source.text, node.property.start);
      if (hasReason(source, line)) return;
      const message =
        "`.slice` does not copy a Buffer: use copyBytes() or subarray(), or say `// slice: why`";
      found.push({ file: source.file, line, message });
    },
  }).visit(source.program);
  return found;
}

function hasReason(source: Source, line: number): boolean {
  return source.comments.some(
    (comment) =>
      /^\s*slice: *\S/.test(comment.value) && [line, line - 1].includes(lineAt(source.text, comment.end)),
  );
}

const methodsOfText = new Set([
  "charAt",
  "join",
  "padEnd",
  "padStart",
  "repeat",
  "replace",
  "replaceAll",
  "split",
  "toLowerCase",
  "toString",
  "toUpperCase",
  "trim",
  "trimEnd",
  "trimStart",
]);

const staticLists = new Set([
  "Array.from",
  "Array.of",
  "JSON.stringify",
  "Object.entries",
  "Object.keys",
  "Object.values",
  "String.fromCharCode",
]);

function isList(node: Node, lists: ReadonlySet<string>): boolean {
  switch (node.type) {
    case "Literal":
      return typeof node.value === "string";
    case "TemplateLiteral":
    case "ArrayExpression":
      return true;
    case "Identifier":
      return lists.has(node.name);
    case "ChainExpression":
    case "ParenthesizedExpression":
      return isList(node.expression, lists);
    case "CallExpression":
      return yieldsList(node.callee, lists);
    default:
      return false;
  }
}

function yieldsList(callee: Node, lists: ReadonlySet<string>): boolean {
  if (callee.type === "Identifier") return callee.name === "String";
  if (callee.type !== "MemberExpression") return false;
  const method = propertyName(callee);
  if (method === undefined) return false;
  if (callee.object.type === "Identifier" && staticLists.has(`${callee.object.name}.${method}`)) return true;
  return methodsOfText.has(method) || (method === "slice" && isList(callee.object, lists));
}

function propertyName(node: Node): string | undefined {
  if (node.type !== "MemberExpression") return undefined;
  const { property } = node;
  if (property.type === "Identifier" && !node.computed) return property.name;
  return property.type === "Literal" && typeof property.value === "string" ? property.value : undefined;
}

/** Names are not resolved by scope: one binding of the name that is not evident spoils them all, so no byte slips by. */
function namesOfLists(source: Source): Set<string> {
  const lists = new Set<string>();
  const spoiled = new Set<string>();
  const bind = (pattern: Node | null, isEvident = false): void => {
    if (pattern === null) return;
    switch (pattern.type) {
      case "Identifier": {
        const typed = pattern.typeAnnotation?.typeAnnotation;
        const evident = typed ? isListType(typed) : isEvident;
        (evident ? lists : spoiled).add(pattern.name);
        return;
      }
      case "ObjectPattern":
        for (const property of pattern.properties) {
          bind(property.type === "RestElement" ? property.argument : property.value);
        }
        return;
      case "ArrayPattern":
        for (const element of pattern.elements) bind(element);
        return;
      case "AssignmentPattern":
        bind(pattern.left, isList(pattern.right, new Set()));
        return;
      case "RestElement":
        // Rest parameters and rest elements are arrays; their annotation, if any, sits on the element itself.
        bind(pattern.argument, true);
        return;
      case "TSParameterProperty":
        bind(pattern.parameter);
        return;
      default:
        return;
    }
  };
  const bindAll = (fn: { readonly params: readonly Node[] }): void => {
    for (const parameter of fn.params) bind(parameter);
  };
  new Visitor({
    // A `let` without a type can be given anything later by inference of its first value only: a string stays a string.
    VariableDeclarator: (node) => bind(node.id, node.init !== null && isList(node.init, new Set())),
    FunctionDeclaration: bindAll,
    FunctionExpression: bindAll,
    ArrowFunctionExpression: bindAll,
    CatchClause: (node) => bind(node.param),
    ImportDeclaration(node) {
      for (const specifier of node.specifiers) bind(specifier.local);
    },
  }).visit(source.program);
  return new Set([...lists].filter((name) => !spoiled.has(name)));
}

function isListType(type: Node): boolean {
  switch (type.type) {
    case "TSStringKeyword":
    case "TSArrayType":
    case "TSTupleType":
    case "TSTemplateLiteralType":
      return true;
    case "TSTypeOperator":
      return type.operator === "readonly" && isListType(type.typeAnnotation);
    case "TSTypeReference":
      return type.typeName.type === "Identifier" && ["Array", "ReadonlyArray"].includes(type.typeName.name);
    case "TSUnionType":
      return type.types.every((one) => isListType(one) || one.type === "TSUndefinedKeyword");
    default:
      return false;
  }
}
