/**
 * What the operations of a node come to, each made when it is first asked for: most nodes of an application need few.
 */
import { Announcements } from "./announcements.ts";
import { NodeClosed } from "./errors.ts";
import { Files } from "./files/files.ts";
import { KeptRecords } from "./kept-records.ts";
import { Names } from "./names.ts";
import { type CreateNodeOptions, createNodeDefaults } from "./options.ts";
import { Peers } from "./peers.ts";
import { Records, type RunQuery } from "./records.ts";
import type { SeedResolver } from "./seed-resolver.ts";
import type { Stack } from "./stack.ts";
import { Statements } from "./statements.ts";

export interface ServicesOptions {
  readonly options: CreateNodeOptions;
  readonly stack: Stack;
  readonly resolver: SeedResolver;
  readonly run: RunQuery;
  /** The same for queries that go on while the node closes. */
  readonly runLast: RunQuery;
  /** Hears what went wrong in the background. */
  readonly report: (error: unknown) => void;
}

export class Services {
  readonly #parts: ServicesOptions;
  #lifetime: AbortController | undefined;
  #records: Records | undefined;
  #peers: Peers | undefined;
  #files: Files | undefined;
  #announcements: Announcements | undefined;
  #kept: KeptRecords | undefined;
  #isClosed = false;

  constructor(parts: ServicesOptions) {
    this.#parts = parts;
  }

  get records(): Records {
    const { run, stack } = this.#parts;
    const { machine, limits, security } = stack;
    this.#records ??= new Records({
      run,
      commands: machine,
      names: new Names(security),
      replicas: limits.bucketSize,
      minAccepted: this.#minAccepted,
      queryTimeoutMs: limits.queryTimeoutMs,
      lifetime: this.#lifetimeSignal,
    });
    return this.#records;
  }

  get peers(): Peers {
    const { run, stack, resolver } = this.#parts;
    this.#peers ??= new Peers({ run, commands: stack.machine, resolver, lifetime: this.#lifetimeSignal });
    return this.#peers;
  }

  get files(): Files {
    const { limits } = this.#parts.stack;
    this.#files ??= new Files({
      records: this.records,
      replicas: limits.bucketSize,
      minAccepted: this.#minAccepted,
      valueLifetimeMs: limits.valueLifetimeMs,
      lifetime: this.#lifetimeSignal,
    });
    return this.#files;
  }

  get announcements(): Announcements {
    const { run, runLast, stack, report } = this.#parts;
    const { machine, security, running, isListening } = stack;
    const addresses = () => running.router.localAddresses;
    this.#announcements ??= new Announcements({
      run,
      runLast,
      commands: machine,
      minAccepted: this.#minAccepted,
      isReachable: isListening,
      statements: security === undefined ? undefined : new Statements(security, addresses),
      lifetime: this.#lifetimeSignal,
      report,
    });
    return this.#announcements;
  }

  /** `undefined`: nothing was ever announced. */
  get announcementsMade(): Announcements | undefined {
    return this.#announcements;
  }

  get kept(): KeptRecords {
    const { report } = this.#parts;
    const { records } = this;
    this.#kept ??= new KeptRecords({ records, report });
    return this.#kept;
  }

  /** Records that are kept alive. */
  get keptRecords(): number {
    return this.#kept?.size ?? 0;
  }

  /** Whatever waits beside the queries rejects with {@link NodeClosed}; announcements have an end of their own. */
  close(): void {
    this.#isClosed = true;
    this.#lifetime?.abort(new NodeClosed());
    this.#kept?.close();
  }

  get #minAccepted(): number {
    return this.#parts.options.minAccepted ?? createNodeDefaults.minAccepted;
  }

  /** Aborts when the node closes. */
  get #lifetimeSignal(): AbortSignal {
    if (this.#lifetime === undefined) {
      this.#lifetime = new AbortController();
      if (this.#isClosed) this.#lifetime.abort(new NodeClosed());
    }
    return this.#lifetime.signal;
  }
}
