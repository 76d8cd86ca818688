/** A workspace as the rules see it: its folder, its package.json, and the names it declares there. */

export type Workspace = {
  /** Relative to the root, with `/`, such as `packages/core`. */
  readonly folder: string;
  readonly name: string;
  readonly isPrivate: boolean;
  /** package.json as text, for line numbers. */
  readonly manifest: string;
  /** What an installed package brings along: dependencies, peers and optional ones. */
  readonly shipped: ReadonlySet<string>;
  readonly dev: ReadonlySet<string>;
};

type Manifest = {
  readonly name?: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};

export function readWorkspace(folder: string, manifest: string): Workspace {
  const json = JSON.parse(manifest) as Manifest;
  return {
    folder,
    name: json.name ?? folder,
    isPrivate: json.private === true,
    manifest,
    shipped: new Set(
      Object.keys({ ...json.dependencies, ...json.peerDependencies, ...json.optionalDependencies }),
    ),
    dev: new Set(Object.keys(json.devDependencies ?? {})),
  };
}
