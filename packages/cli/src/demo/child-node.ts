/**
 * A node in a process of its own: `kad node`, started by this one.
 *
 * It ends with this process, however that ends: its standard input is a pipe that only we hold, and it ends when that
 * closes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { exitCode } from "../exit-code.ts";
import { Failure, oneLine } from "../failure.ts";
import type { Effort } from "../walk.ts";

/** A process that starts while 50 nodes do may take a while on a small machine. */
const startTimeoutMs = 20_000;
/** `kad node` ends within a second of SIGTERM. */
const stopTimeoutMs = 2_000;

export interface ChildNodeOptions {
  /** Program and arguments that run the `kad` command. */
  readonly kad: readonly string[];
  readonly bootstrap: string;
  readonly maxRecords: number;
  readonly signal: AbortSignal;
}

export interface ChildJoin {
  readonly contacts: number;
  readonly effort: Effort;
}

interface Listening {
  readonly event: "listening";
  readonly id: string;
  readonly addresses: readonly string[];
}

interface Joined extends Effort {
  readonly event: "joined";
  readonly contacts: number;
}

type ChildEvent = Listening | Joined | { readonly event: "" };

export class ChildNode {
  readonly id: string;
  readonly address: string;
  readonly pid: number;
  readonly join: ChildJoin;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, listening: Listening, join: ChildJoin) {
    this.#process = child;
    this.id = listening.id;
    this.address = listening.addresses[0] as string;
    this.pid = child.pid as number;
    this.join = join;
  }

  /**
   * Resolves when the node has joined.
   * @throws (rejects) Failure with what the process said; the signal's reason. No process is left then
   */
  static async start({ kad, bootstrap, maxRecords, signal }: ChildNodeOptions): Promise<ChildNode> {
    const [program = "", ...args] = kad;
    const own = [
      "node",
      "--listen",
      "udp://127.0.0.1:0",
      "--bootstrap",
      bootstrap,
      "--max-records",
      String(maxRecords),
      "--json",
      "--exit-with-stdin",
    ];
    // The demo is a network of its own, whatever one's shell says of others.
    const env = { ...process.env, KAD_IDENTITY: undefined, KAD_NETWORK_KEY: undefined };
    const child = spawn(program, [...args, ...own], { env, stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => undefined); // it may end before we close the pipe
    const ended = endOf(child);
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(startTimeoutMs)]);
    try {
      const { listening, joined } = await Promise.race([eventsOf(child), ended.then(fail), abortOf(timeout)]);
      const { contacts, rounds, hops, requests, durationMs } = joined;
      return new ChildNode(child, listening, { contacts, effort: { rounds, hops, requests, durationMs } });
    } catch (error) {
      child.kill("SIGKILL");
      signal.throwIfAborted();
      throw error;
    }
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** As a crash would: nothing is said to anybody. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to end, and ends it where that is not enough. Resolves when the process is gone. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), stopTimeoutMs);
    this.#process.stdin?.end();
    await this.#end("SIGTERM");
    clearTimeout(timer);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded) return;
    const exit = once(this.#process, "exit");
    this.#process.kill(signal);
    await exit;
  }
}

/** Reads on to the end, so that the pipe never fills. */
function eventsOf(child: ChildProcess): Promise<{ readonly listening: Listening; readonly joined: Joined }> {
  return new Promise((resolve) => {
    let listening: Listening | undefined;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const event = parse(line);
      if (event.event === "listening") listening = event;
      if (event.event === "joined" && listening !== undefined) resolve({ listening, joined: event });
    });
  });
}

/** The child is of our own version; a line that is none of its own (of a preloaded module, say) is passed over. */
function parse(line: string): ChildEvent {
  try {
    return JSON.parse(line) as ChildEvent;
  } catch {
    return { event: "" };
  }
}

/** Resolves, when the process has ended or could not be started, with why. */
function endOf(child: ChildProcess): Promise<string> {
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (complaint.length < 1_000) complaint += chunk.toString();
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(complaint || `it ended with ${signal ?? code}`));
  });
}

function fail(reason: string): never {
  throw new Failure(exitCode.failed, `a node in a process of its own did not start: ${oneLine(reason)}`);
}

async function abortOf(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  return fail("it took too long");
}
