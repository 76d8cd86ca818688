/** Compiles programs, and runs them in processes of their own, straight from the sources of the packages. */
import { execFile } from "node:child_process";
import { openNative, UnavailableError } from "@kad/native";
import { rootFolder, workshopConfig } from "./repository.ts";

export interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

/** A program that does not end by itself is ended after this; a busy machine is given the time that it needs. */
const timeoutMs = 60_000;

/** All TypeScript in the workshop at once; the output names file and line. */
export function compile(): Promise<Outcome> {
  return runNode(["node_modules/typescript/bin/tsc", "-p", workshopConfig]);
}

export function run(file: string): Promise<Outcome> {
  return runNode(["--conditions=@kad/source", "--import=tsx", file]);
}

/** Why programs for Linux cannot run here; `undefined`: they can. */
export function whyNotNative(): string | undefined {
  try {
    openNative({
      feature: "this program",
      instead: "",
      platforms: ["linux"],
      libraries: ["libc.so.6", null],
    });
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

function runNode(args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: rootFolder, timeout: timeoutMs }, (error, output, errors) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ status, output, errors: error?.killed ? `${errors}did not end by itself\n` : errors });
    });
  });
}
