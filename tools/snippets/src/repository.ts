/** The pages of this repository, and the folder in which their programs are compiled and run. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Program } from "./markdown.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** Ignored by git; here, so that the packages resolve as for anybody who has them as dependencies. */
const workshop = fileURLToPath(new URL("../dist", import.meta.url));

/** README files of the root, of every package, adapter and example, and all of docs/: paths from the root. */
export function pages(): string[] {
  const readmes = ["packages", "adapters", "examples"].flatMap((parent) => [
    `${parent}/README.md`,
    ...readdirSync(`${root}${parent}`).map((name) => `${parent}/${name}/README.md`),
  ]);
  const docs = ["docs", "docs/decisions", "docs/guides"].flatMap((folder) =>
    readdirSync(`${root}${folder}`)
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`),
  );
  return ["README.md", "CONTRIBUTING.md", ...readmes, ...docs].filter(exists);
}

export function exists(path: string): boolean {
  return existsSync(`${root}${path}`);
}

export function read(path: string): string {
  return readFileSync(`${root}${path}`, "utf8");
}

/** Starts with an empty workshop. */
export function openWorkshop(): void {
  rmSync(workshop, { recursive: true, force: true });
  mkdirSync(workshop);
  const config = { extends: "../tsconfig.json", include: ["*.ts"] };
  writeFileSync(`${workshop}/tsconfig.json`, JSON.stringify(config));
}

/** Writes a program down and returns the path of its file. */
export function writeProgram(page: string, program: Program): string {
  const name = page.replaceAll(/[^A-Za-z0-9]+/g, "-").replace(/-md$/, "");
  const file = `${workshop}/${name}-${program.line}.${program.language}`;
  writeFileSync(file, program.code);
  return file;
}

export const workshopConfig: string = `${workshop}/tsconfig.json`;
export const rootFolder: string = root;
