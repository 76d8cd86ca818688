import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("the example of the README runs as it stands", async () => {
  const folder = new URL("..", import.meta.url);
  const readme = await readFile(new URL("README.md", folder), "utf8");
  const example = /```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const args = ["--import", "tsx", "-C", "@kad/source", "--input-type=module", "--eval", example];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(folder) });
  expect(stdout).toBe("nodes: converged\n");
}, 30_000);
