/** The packages that are published, as npm would publish them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { succeed } from "./process.ts";

export const root: string = fileURLToPath(new URL("../../..", import.meta.url));

export interface Tarball {
  /** Such as `@kad/core`. */
  readonly name: string;
  /** Its folder in this repository, such as `packages/core`. */
  readonly folder: string;
  readonly file: string;
  /** Paths in it, sorted. */
  readonly contents: readonly string[];
}

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
}

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Names of the packages that are not private, by folder. */
export function published(): Map<string, string> {
  const folders = ["packages", "adapters"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  );
  const manifests = folders.map((folder) => [folder, readManifest(folder)] as const);
  return new Map(manifests.filter(([, one]) => !one.private).map(([folder, one]) => [folder, one.name]));
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest;
}

/** Packs them all into a folder. They must be built. */
export async function pack(into: string): Promise<Tarball[]> {
  const packages = published();
  const which = [...packages.values()].flatMap((name) => ["--workspace", name]);
  const json = await succeed(["npm", "pack", "--json", "--pack-destination", into, ...which], { cwd: root });
  const packed = JSON.parse(json) as readonly Packed[];
  return [...packages].map(([folder, name]) => {
    const { filename, files } = packed.find((one) => one.name === name) as Packed;
    return { name, folder, file: join(into, filename), contents: files.map(({ path }) => path).sort() };
  });
}
