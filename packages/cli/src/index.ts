/**
 * `@kad/cli`: the `kad` command as a function. `bin/kad.js` calls it with what its process has.
 */
export { type ExitCode, type ExitCodes, exitCode } from "./exit-code.ts";
export type { Env, Io, Output } from "./io.ts";
export { main } from "./main.ts";
export { runProcess } from "./process.ts";
