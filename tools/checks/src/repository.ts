/**
 * All rules over all files. Reads through a function, so that a test can hand in a repository made of strings.
 */
import { checkByteCopies } from "./byte-copies.ts";
import { checkDeterminism } from "./determinism.ts";
import type { Finding } from "./finding.ts";
import { checkImports, checkManifest } from "./import-direction.ts";
import { parseSource } from "./source.ts";
import { checkMachinePaths, checkRegistryHosts } from "./tracked-text.ts";
import { readWorkspace } from "./workspace.ts";

const manifestPath = /^((?:packages|adapters|examples|tools)\/[^/]+|bench)\/package\.json$/;

/**
 * `files`: paths relative to the root, with `/`. `read` gives a file's text, `undefined` for one that is binary or gone.
 */
export function checkRepository(
  files: readonly string[],
  read: (file: string) => string | undefined,
): Finding[] {
  const texts = new Map(files.map((file) => [file, read(file)]));
  const workspaces = files.flatMap((file) => {
    const folder = manifestPath.exec(file)?.[1];
    return folder === undefined ? [] : [readWorkspace(folder, texts.get(file) ?? "{}")];
  });
  const rootDev = readWorkspace(".", texts.get("package.json") ?? "{}").dev;
  const findings = workspaces.flatMap((one) => checkManifest(one, workspaces));

  for (const [file, text] of texts) {
    if (text === undefined) continue;
    findings.push(...checkMachinePaths(file, text));
    if (/(?:^|\/)(?:package-lock\.json|\.npmrc)$/.test(file))
      findings.push(...checkRegistryHosts(file, text));
    const workspace = workspaces.find((one) => file.startsWith(`${one.folder}/`));
    if (workspace === undefined || !/\.[cm]?[jt]s$/.test(file) || /\.config\.ts$/.test(file)) continue;
    const source = parseSource(file, text);
    findings.push(...checkImports(source, workspace, workspaces, rootDev));
    if (/^(?:packages|adapters)\/[^/]+\/src\//.test(file)) findings.push(...checkByteCopies(source));
    if (file.startsWith("packages/core/src/")) findings.push(...checkDeterminism(source));
  }
  return findings;
}
