/**
 * Imports run one way (`layers.ts`), stay inside their package or name one that its package.json declares.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import type { Finding } from "./finding.ts";
import { isPure, type Layer, layerOf, mayImport } from "./layers.ts";
import { type ImportedName, importsOf, packageOf, type Source } from "./source.ts";
import type { Workspace } from "./workspace.ts";

/** `rootDev`: the root's devDependencies, which every test may use. */
export function checkImports(
  source: Source,
  workspace: Workspace,
  all: readonly Workspace[],
  rootDev: ReadonlySet<string>,
): Finding[] {
  const layer = layerOf(workspace.folder);
  if (layer === undefined) return [];
  const isTest = /^(?:test|bench)\//.test(posix.relative(workspace.folder, source.file));
  return importsOf(source).flatMap((imported) => {
    const message = imported.specifier.startsWith(".")
      ? leavesPackage(source, workspace, imported)
      : (wrongDirection(imported, workspace, layer, all, isTest) ??
        undeclared(imported, workspace, rootDev, isTest));
    return message === undefined ? [] : [{ file: source.file, line: imported.line, message }];
  });
}

/** A package.json may not promise what the sources may not import. */
export function checkManifest(workspace: Workspace, all: readonly Workspace[]): Finding[] {
  const file = `${workspace.folder}/package.json`;
  const layer = layerOf(workspace.folder);
  if (layer === undefined) {
    const message = `${workspace.folder} has no layer: add it to tools/checks/src/layers.ts`;
    return [{ file, line: 1, message }];
  }
  return [...workspace.shipped].flatMap((name) => {
    const message = wrongDirection({ specifier: name }, workspace, layer, all, false);
    return message === undefined ? [] : [{ file, line: lineOfKey(workspace.manifest, name), message }];
  });
}

function leavesPackage(source: Source, workspace: Workspace, imported: ImportedName): string | undefined {
  const target = posix.join(posix.dirname(source.file), imported.specifier);
  if (!target.startsWith(`${workspace.folder}/`)) {
    return `"${imported.specifier}" leaves ${workspace.folder}: import the other package by its name`;
  }
  const sources = `${workspace.folder}/src/`;
  if (source.file.startsWith(sources) && !target.startsWith(sources)) {
    return `"${imported.specifier}" leaves src, which is all that is published`;
  }
  return undefined;
}

function wrongDirection(
  imported: { readonly specifier: string },
  workspace: Workspace,
  layer: Layer,
  all: readonly Workspace[],
  isTest: boolean,
): string | undefined {
  const name = packageOf(imported.specifier);
  if (isTest && name === workspace.name) return undefined;
  const target = all.find((one) => one.name === name);
  if (target === undefined) {
    if (isTest || !isPure(layer)) return undefined;
    const allowed = layer === "core" ? "nothing" : "@kad/core alone";
    return `${workspace.name} imports ${allowed}, not "${imported.specifier}"`;
  }
  const targetLayer = layerOf(target.folder);
  if (targetLayer === undefined || mayImport(layer, targetLayer, isTest)) return undefined;
  if (layer === "core") return `${workspace.name} imports nothing, not "${imported.specifier}"`;
  if (layer === "leaf" && targetLayer === "leaf") {
    return `${workspace.name} is a leaf and may not import its sibling ${name}`;
  }
  return `${workspace.name} may not import ${name}: imports run toward core (tools/checks/src/layers.ts)`;
}

function undeclared(
  imported: ImportedName,
  workspace: Workspace,
  rootDev: ReadonlySet<string>,
  isTest: boolean,
): string | undefined {
  if (isBuiltin(imported.specifier)) return undefined;
  const name = packageOf(imported.specifier);
  if (name === workspace.name || workspace.shipped.has(name)) return undefined;
  const devCounts = isTest || workspace.isPrivate;
  if (devCounts && (workspace.dev.has(name) || rootDev.has(name))) return undefined;
  const section = isTest ? "devDependencies" : "dependencies";
  return `"${name}" is not in the ${section} of ${workspace.folder}/package.json`;
}

function lineOfKey(manifest: string, key: string): number {
  const line = manifest.split("\n").findIndex((one) => one.trimStart().startsWith(`"${key}":`));
  return line + 1;
}
