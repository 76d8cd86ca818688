/**
 * Published test vectors: data of others, which the repository does not hold. They are read from the folder that
 * `KAD_VECTORS` names, or else from `../shared/vectors` beside the repository.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";

const { KAD_VECTORS }: { readonly KAD_VECTORS?: string } = process.env;
const folder = KAD_VECTORS ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));

/** Runs the suite on the vectors of one file, or says that it was skipped and why. */
export function describeVectors<T>(file: string, suite: (vectors: T) => void): void {
  const path = join(folder, file);
  describe(file, () => {
    if (existsSync(path)) suite(JSON.parse(readFileSync(path, "utf8")) as T);
    else it.skip(`skipped: ${file} is neither in the folder that KAD_VECTORS names nor in ../shared/vectors`);
  });
}

/** The layout of Wycheproof's files, as far as it is common to all. */
export interface Wycheproof<Test, Group = unknown> {
  readonly testGroups: readonly (Group & { readonly tests: readonly (Test & WycheproofTest)[] })[];
}

interface WycheproofTest {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  /** `acceptable`: implementations may differ. */
  readonly result: "valid" | "invalid" | "acceptable";
}
