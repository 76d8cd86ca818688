/**
 * An empty project outside this repository, with nothing in it but the tarballs, as for somebody who has just installed
 * them. TypeScript comes from this repository, and so do the types of Node where a program asks for them.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, run, succeed } from "./process.ts";
import { root, type Tarball } from "./tarballs.ts";

export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Project> {
    return new Project(await mkdtemp(join(tmpdir(), "kad-packages-")));
  }

  /** Offline: nothing may be needed but the tarballs. */
  async install(tarballs: readonly Tarball[]): Promise<void> {
    const dependencies = Object.fromEntries(tarballs.map(({ name, file }) => [name, `file:${file}`]));
    await this.write("package.json", JSON.stringify({ private: true, type: "module", dependencies }));
    await succeed(["npm", "install", "--offline"], { cwd: this.folder });
  }

  async write(name: string, text: string): Promise<string> {
    const file = join(this.folder, name);
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, text);
    return file;
  }

  /**
   * Checks the `.ts` files of a folder, and writes JavaScript beside them. Declarations of the packages are checked too.
   * @param types packages of this repository whose global types the programs need, such as `node`
   */
  async compile(folder: string, types: readonly string[]): Promise<Outcome> {
    const compilerOptions = {
      target: "es2022",
      lib: ["es2023", "dom", "esnext.disposable"],
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      typeRoots: [join(root, "node_modules/@types")],
      types,
    };
    const config = join(folder, "tsconfig.json");
    await this.write(config, JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    return await run([process.execPath, tsc, "-p", config], { cwd: this.folder });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The JavaScript that `compile` makes of a program. */
export function compiled(file: string): string {
  return file.replace(/\.ts$/, ".js");
}
