/** Packages as the contestants themselves have them: found from within their own dependencies. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** `["bittorrent-dht", "k-rpc"]` is the k-rpc that bittorrent-dht gets. CommonJS only; `file` instead of its entry point. */
export function fromTree(path: readonly string[], file?: string): unknown {
  const folder = folderOf(path);
  const require = createRequire(join(folder, "package.json"));
  return require(file === undefined ? folder : join(folder, file));
}

/** "5.1.0" */
export function versionIn(path: readonly string[]): string {
  const text = readFileSync(join(folderOf(path), "package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Not by resolving its entry point: a package may export none that `require` takes. */
function folderOf(path: readonly string[]): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (const name of path) {
    const places = createRequire(join(folder, "package.json")).resolve.paths(name) ?? [];
    const found = places
      .map((place) => join(place, name))
      .find((place) => existsSync(join(place, "package.json")));
    if (found === undefined) throw new Error(`${name} is not installed for ${folder}`);
    folder = realpathSync(found);
  }
  return folder;
}
