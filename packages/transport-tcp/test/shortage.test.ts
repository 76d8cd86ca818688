/** A process with few descriptors: what is left of them, and what becomes of those who knock. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("few-descriptors.ts", import.meta.url));
const tsx = fileURLToPath(import.meta.resolve("tsx"));
const isUnix = process.platform !== "win32";

/** Runs `test/few-descriptors.ts` with so many descriptors and returns what it says. */
async function withDescriptors(count: number): Promise<Record<string, unknown>> {
  const command = `ulimit -n ${count} && exec "$0" -C @kad/source --import "$1" "$2"`;
  const { stdout } = await promisify(execFile)("sh", ["-c", command, process.execPath, tsx, program], {
    timeout: 100_000,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("a listener in a process that runs out of descriptors", () => {
  it.runIf(isUnix).each([64, 65])(
    "rests, counts it, serves those it has, and listens again: of %i",
    async (count) => {
      expect(await withDescriptors(count)).toEqual({
        refusedByUs: true,
        rested: true,
        echoWhileResting: "hello",
        refusedBySystem: true,
        acceptedAfterwards: true,
        handlesLeft: [],
      });
    },
  );
});
