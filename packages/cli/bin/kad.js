#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);

if (existsSync(new URL("../dist/index.js", import.meta.url))) {
  const { runProcess } = await import("../dist/index.js");
  await runProcess([process.execPath, ...process.execArgv, self]);
} else {
  console.error("kad: it is not built yet; run `npm run build` in the repository first");
  process.exitCode = 1;
}
