/** The command from its sources, without a build: `node --import tsx -C @kad/source test/support/kad.ts ARGS`. */
import { fileURLToPath } from "node:url";
import { runProcess } from "../../src/index.ts";

await runProcess([process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)]);
