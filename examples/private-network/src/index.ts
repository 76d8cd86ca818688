/**
 * Three terminals, each a process of its own: two that have the network's key find and greet each other; the third, which has
 * not, gets no answer, not even one that says that somebody is there.
 *
 *     npm start -w examples/private-network
 */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Ends every process if one of them hangs. */
const signal = AbortSignal.timeout(120_000);
const terminals: ChildProcess[] = [];

function open(name: string, ...options: string[]): ChildProcess {
  const identity = join(folder, `${name}.identity`);
  const program = fileURLToPath(new URL("terminal.ts", import.meta.url));
  const terminal = fork(program, [name, "--identity", identity, ...options], { signal });
  terminals.push(terminal);
  return terminal;
}

/** What a terminal tells next of this type. */
async function next(terminal: ChildProcess, type: string) {
  for await (const [message] of on(terminal, "message", { close: ["exit"] }))
    if (message.type === type) return message;
  return assert.fail(`it has ended without ${type}`);
}

const folder = await mkdtemp(join(tmpdir(), "kad-private-network-"));
const key = ["--network-key", join(folder, "network-key")];
try {
  const first = open("first", ...key);
  const { address, id } = await next(first, "listening");
  const greeted = next(first, "greeted");

  const second = open("second", ...key, "--bootstrap", address);
  const itself = await next(second, "listening");
  const { by, said } = await greeted;
  assert.equal(by, itself.id); // proven: nobody else can say so
  assert.equal(said, "hello from second");

  const third = open("third", "--bootstrap", address, "--timeout", "1500");
  await next(third, "alone");
  if (third.exitCode === null) await once(third, "exit");
  assert.equal(third.exitCode, 4);

  console.log(`index: ${id.substring(0, 8)} and ${itself.id.substring(0, 8)} have met, and nobody else has`);
} finally {
  for (const terminal of terminals) {
    if (terminal.exitCode !== null || terminal.signalCode !== null) continue;
    terminal.kill("SIGTERM");
    await once(terminal, "exit");
  }
  await rm(folder, { recursive: true });
}
