/**
 * What runs the packages: the Node that runs this, and others whose binaries come from the registry.
 *
 * Each binary is kept alone in `node_modules/.cache/kad-runtimes`: a `node` in some `node_modules/.bin` would be what `npx`
 * runs from then on, unnoticed.
 */
import { existsSync } from "node:fs";
import { mkdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { succeed } from "./process.ts";
import { root } from "./tarballs.ts";

interface Download {
  /** The package, which is also the name of its binary. */
  readonly name: "node" | "bun" | "deno";
  readonly version: string;
}

export interface Runtime {
  /** Such as `Node 22.23.3`. */
  readonly title: string;
  /** What stands before the path of a program. */
  readonly command: readonly string[];
}

export interface MissingRuntime {
  readonly title: string;
  /** Why it could not be had. */
  readonly reason: string;
}

/** Beside the one that runs us. One of each major version of Node that packages claim to run on. */
export const downloads: readonly Download[] = [
  { name: "node", version: "22.23.3" },
  { name: "node", version: "24.21.0" },
  { name: "node", version: "26.10.0" },
  { name: "bun", version: "1.4.5" },
  { name: "deno", version: "2.9.6" },
];

const titles = { node: "Node", bun: "Bun", deno: "Deno" } as const;
const cache = join(root, "node_modules/.cache/kad-runtimes");
/** A slow line is no failure; one that stands still is. */
const installTimeoutMs = 240_000;

export const ownRuntime: Runtime = {
  title: `Node ${process.versions.node}`,
  command: [process.execPath],
};

export function titleOf({ name, version }: Download): string {
  return `${titles[name]} ${version}`;
}

/** Installs it unless it is there. What the registry, the network or the platform does not give is no error. */
export async function obtain(download: Download): Promise<Runtime | MissingRuntime> {
  const { name, version } = download;
  const title = titleOf(download);
  const binary = join(cache, `${name}-${version}`);
  try {
    if (!existsSync(binary)) await install(download, binary);
    const printed = await succeed([binary, "--version"], { cwd: root });
    if (!printed.includes(version)) throw new Error(`it says that it is ${printed.trim()}`);
    // Deno asks for each permission, and refuses where nobody answers.
    return { title, command: name === "deno" ? [binary, "run", "--allow-all"] : [binary] };
  } catch (error) {
    return { title, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function install({ name, version }: Download, binary: string): Promise<void> {
  const folder = `${binary}.install`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // Their install scripts put the binary of this platform in its place.
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({ private: true, allowScripts: { [name]: true } }),
  );
  const once = ["--no-save", "--prefer-offline", "--fetch-retries=1"];
  await succeed(["npm", "install", ...once, `${name}@${version}`], {
    cwd: folder,
    timeoutMs: installTimeoutMs,
  });
  await rename(await realpath(join(folder, "node_modules/.bin", name)), binary);
  await rm(folder, { recursive: true });
}
