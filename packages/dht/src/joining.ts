/**
 * How a node comes into its network and stays there: through the seeds of `createNode`, and through those named later.
 */
import { Bootstrapper, type BootstrapperOptions } from "./bootstrapper.ts";
import { checkTimeout, demand } from "./option-checks.ts";
import { type CreateNodeOptions, createNodeDefaults } from "./options.ts";
import type { ParsedSeed, SeedInput } from "./seed-resolver.ts";
import type { Stack } from "./stack.ts";

export interface BootstrapOptions {
  readonly signal?: AbortSignal;
  /** How long the seeds have to answer; default from `createNode`. */
  readonly timeoutMs?: number;
}

export interface JoiningOptions
  extends Pick<BootstrapperOptions, "queries" | "resolver" | "onJoin" | "onFailure" | "report"> {
  readonly options: CreateNodeOptions;
  readonly stack: Stack;
}

export class Joining {
  readonly #parts: JoiningOptions;
  readonly #seeds: readonly ParsedSeed[];
  readonly #bootstrapper: Bootstrapper;

  /** @throws UsageError `invalidAddress` for a seed */
  constructor(parts: JoiningOptions) {
    const { options, stack, queries, resolver, onJoin, onFailure, report } = parts;
    this.#parts = parts;
    this.#seeds = this.#parse("bootstrap", options.bootstrap ?? []);
    this.#bootstrapper = new Bootstrapper({
      seeds: this.#seeds,
      resolver,
      queries,
      commands: stack.machine,
      smallTableSize: stack.limits.smallTableSize,
      isSecure: stack.security !== undefined,
      onJoin,
      onFailure,
      report,
    });
  }

  /** Resolves when the node has joined, or at once where it need not wait; from then on it stays joined. */
  async start(): Promise<void> {
    const { options, stack, onJoin } = this.#parts;
    const { bootstrapRequired = createNodeDefaults.bootstrapRequired } = options;
    stack.running.driver.use(this.#bootstrapper);
    if (this.#seeds.length === 0) return;
    if (bootstrapRequired) onJoin(await this.#bootstrapper.join(this.#seeds, this.#timeoutMs));
    this.#bootstrapper.keepJoined();
  }

  /** @throws (rejects) as `bootstrap` of a node */
  async through(seeds: readonly SeedInput[], options: BootstrapOptions): Promise<number> {
    const { timeoutMs = this.#timeoutMs, signal } = options;
    checkTimeout("timeoutMs", timeoutMs);
    demand(Array.isArray(seeds) && seeds.length > 0, "seeds", seeds, "an array of URLs, one or more");
    const contacts = await this.#bootstrapper.join(this.#parse("seeds", seeds), timeoutMs, signal);
    this.#parts.onJoin(contacts);
    return contacts;
  }

  stop(): void {
    this.#bootstrapper.stop();
  }

  get #timeoutMs(): number {
    return this.#parts.options.bootstrapTimeoutMs ?? createNodeDefaults.bootstrapTimeoutMs;
  }

  #parse(field: string, seeds: readonly SeedInput[]): ParsedSeed[] {
    return seeds.map((seed, index) => this.#parts.resolver.parse(`${field}[${index}]`, seed));
  }
}
