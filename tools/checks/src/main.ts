/** Called by `npm run lint` from the root: prints each broken rule and fails if there is one. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { format } from "./finding.ts";
import { checkRepository } from "./repository.ts";

const files = listFiles();
const findings = checkRepository(files, readText);
for (const finding of findings) console.error(format(finding));
if (findings.length > 0) process.exitCode = 1;
else console.log(`Checked imports, byte copies and paths in ${files.length} files.`);

/** What git tracks or would; in an unpacked archive without git, what is not built or installed. */
function listFiles(): string[] {
  try {
    const arguments_ = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    const listed = execFileSync("git", arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return [...new Set(listed.split("\0").filter((file) => file !== ""))];
  } catch {
    const skipped = new Set(["node_modules", "dist", "coverage", ".turbo", ".git", "api"]);
    const walk = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        if (skipped.has(entry.name)) return [];
        const path = join(folder, entry.name);
        return entry.isDirectory() ? walk(path) : [path.split(sep).join("/")];
      });
    return walk(".");
  }
}

function readText(file: string): string | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.includes("\0") ? undefined : text;
  } catch {
    // Deleted or moved, but not yet committed.
    return undefined;
  }
}
