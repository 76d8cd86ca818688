/**
 * Runs it all on this machine, each program in a process of its own: a bootstrap node, two that share a file, and one that
 * fetches it. The one that it fetches from is killed when half of the file has arrived; the other one gives the rest.
 *
 *     npm start -w examples/file-sharing
 */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Ends every process if one of them hangs. */
const signal = AbortSignal.timeout(120_000);
const children: ChildProcess[] = [];

function start(program: string, ...options: string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), options, { signal });
  children.push(child);
  return child;
}

/** Starts a program that serves others, and waits until it says where it is. */
async function startServer(program: string, ...options: string[]) {
  const child = start(program, ...options);
  for await (const [{ address, key }] of on(child, "message", { close: ["exit"] }))
    return { child, address, key };
  return assert.fail(`${program} has ended`);
}

async function end(child: ChildProcess, endSignal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(endSignal);
  await once(child, "exit");
}

const folder = await mkdtemp(join(tmpdir(), "kad-file-sharing-"));
try {
  const shared = join(folder, "shared.bin");
  const fetched = join(folder, "fetched.bin");
  const file = randomBytes(300_000);
  await writeFile(shared, file);

  const bootstrap = await startServer("bootstrap.ts");
  const share = () => startServer("share.ts", shared, "--bootstrap", bootstrap.address);
  const providers = await Promise.all([share(), share()]);
  const [{ key }] = providers;

  const fetching = start("fetch.ts", key, fetched, "--bootstrap", bootstrap.address);
  let isKilled = false;
  for await (const [{ from, done, size }] of on(fetching, "message", { close: ["exit"] })) {
    if (!isKilled && done * 2 >= size) {
      const provider = providers.find(({ address }) => address === from) ?? assert.fail(from);
      await end(provider.child, "SIGKILL");
      console.log(`index: killed ${from}, which has given us ${done} of ${size} bytes`);
      isKilled = true;
    }
    fetching.send("go on");
  }
  assert.equal(fetching.exitCode, 0);
  assert.ok(isKilled);
  assert.ok(file.equals(await readFile(fetched)));
  console.log(`index: fetched ${file.length} bytes, the same as were shared`);
} finally {
  await Promise.all(children.map((child) => end(child, "SIGTERM")));
  await rm(folder, { recursive: true });
}
