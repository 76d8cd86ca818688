/**
 * One-shot commands: join as a client, do one thing, leave. A client asks and is answered, but nobody is told of it.
 */
import type { CreateNodeOptions, DhtNode } from "@kad/dht";
import { WrongUsage } from "./failure.ts";
import type { Io } from "./io.ts";
import { untilAnswered } from "./joining.ts";
import { schemeOf } from "./options.ts";
import { Screen } from "./screen.ts";
import { type SecurityChoice, securityOf } from "./security-options.ts";
import { shownMs } from "./text.ts";

export interface ClientOptions {
  readonly bootstrap: readonly string[];
  /** Of joining, and again of what is done then. */
  readonly timeoutMs: number;
  readonly security: SecurityChoice;
}

export const defaultClientTimeoutMs = 10_000;

/** @throws WrongUsage where there is none */
export function requireBootstrap(bootstrap: readonly string[]): void {
  if (bootstrap.length > 0) return;
  throw new WrongUsage(
    "--bootstrap is missing: a node of the network, such as --bootstrap udp://127.0.0.1:4100; or set KAD_BOOTSTRAP",
  );
}

/** Joins, runs `work`, and leaves however that ends. On a terminal stderr shows meanwhile what is done. */
export async function withClient<T>(
  io: Io,
  { bootstrap, timeoutMs, security }: ClientOptions,
  work: (node: DhtNode, progress: Progress) => Promise<T>,
): Promise<T> {
  requireBootstrap(bootstrap);
  return await openClient(io, { bootstrap, security }, "joining", async (node, progress) => {
    await untilAnswered(node, { seeds: bootstrap, timeoutMs, signal: io.signal });
    return await work(node, progress);
  });
}

/** The same without joining: for what asks one node alone, at a URL. */
export async function withLoneClient<T>(
  io: Io,
  { url, security }: { readonly url: string; readonly security: SecurityChoice },
  work: (node: DhtNode, progress: Progress) => Promise<T>,
): Promise<T> {
  const scheme = schemeOf(url);
  return await openClient(
    io,
    { bootstrap: [], security, ...(scheme === undefined ? {} : { dial: [scheme] }) },
    "asking",
    work,
  );
}

async function openClient<T>(
  io: Io,
  {
    security,
    ...dialled
  }: Pick<CreateNodeOptions, "bootstrap" | "dial"> & { readonly security: SecurityChoice },
  task: string,
  work: (node: DhtNode, progress: Progress) => Promise<T>,
): Promise<T> {
  const { createNode } = await import("@kad/dht");
  const secured = await securityOf(security);
  const progress = new Progress(Screen.ofStderr(io), task);
  let fault: unknown;
  const report = (error: unknown): void => {
    fault ??= error;
  };
  try {
    const options = { ...dialled, bootstrapRequired: false, report, signal: io.signal };
    const node = await createNode({ ...options, ...secured });
    try {
      return await work(node, progress);
    } finally {
      await node.close();
    }
  } catch (error) {
    throw isClosed(error) && fault !== undefined ? fault : error;
  } finally {
    progress.end();
  }
}

/** Nobody here closes a node under its own work: then a fault has, and that is what to tell. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "closed";
}

const tickMs = 100;

/** One line on stderr that tells what is done, for how long by now; nothing where stderr is no terminal. */
export class Progress {
  readonly #screen: Screen;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #startedAtMs = performance.now();
  #task: string;
  #hasEnded = false;

  constructor(screen: Screen, task: string) {
    this.#screen = screen;
    this.#task = task;
    if (screen.isLive) this.#timer = setInterval(() => this.#draw(), tickMs).unref();
    this.#draw();
  }

  set task(task: string) {
    this.#task = task;
    this.#draw();
  }

  /** A line that stays, on a terminal: for people only, what programs need is on stdout. */
  summary(line: string): void {
    if (this.#screen.isLive) this.#screen.print(this.#screen.style.dim(line));
  }

  /** Lets `write` write to what may be the same terminal, where nothing is drawn meanwhile. */
  interrupt(write: () => void): void {
    this.#screen.clear();
    write();
    this.#draw();
  }

  /** Nothing is drawn from here on. */
  end(): void {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    this.#screen.clear();
  }

  #draw(): void {
    if (this.#hasEnded) return;
    this.#screen.draw(() => [`${this.#task} … ${shownMs(performance.now() - this.#startedAtMs)}`]);
  }
}
