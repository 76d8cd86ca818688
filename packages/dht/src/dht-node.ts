/**
 * A node as an application sees it: promises over queries, events, names and URLs. Made by `createNode`.
 *
 * Every operation may be given a deadline (`timeoutMs`, core's) and an `AbortSignal` (the application's). A deadline
 * resolves with what there is and `end: "timedOut"`; an abort rejects with the signal's reason; a closed node rejects with
 * {@link NodeClosed}. Misuse rejects with core's `UsageError`: an operation never throws before its promise.
 */
import type {
  Contact,
  DhtRecord,
  InstantMs,
  NodeEvent,
  NodeId,
  Plugin,
  QueryFinished,
  QueryId,
  QueryOptions,
  ReadonlyRoutingTable,
  RecordKey,
} from "@kad/core";
import { abortable } from "./abort.ts";
import type { Announcement } from "./announcements.ts";
import { ApplicationHandler, type MessageHandler } from "./application-handler.ts";
import { type DhtNodeStats, dhtNodeStats } from "./dht-node-stats.ts";
import { NodeClosed } from "./errors.ts";
import { DhtEventTarget } from "./events.ts";
import type { ByteSource } from "./files/byte-source.ts";
import type { FileDownload } from "./files/file-download.ts";
import type { PutFileResult } from "./files/file-upload.ts";
import type { GetFileOptions, PutFileOptions } from "./files/options.ts";
import { type BootstrapOptions, Joining } from "./joining.ts";
import type { KeptRecord } from "./kept-records.ts";
import { checkId, checkName } from "./key.ts";
import { queryOptions } from "./option-checks.ts";
import {
  type AnnounceOptions,
  type CreateNodeOptions,
  createNodeDefaults,
  type FindNodeOptions,
  type FindProvidersOptions,
  type GetOptions,
  type KeepAliveOptions,
  type OperationOptions,
  type PutOptions,
  type SetOptions,
  type SwapOptions,
  type Whose,
} from "./options.ts";
import type { PingResult } from "./peers.ts";
import { findProviders, type StreamingFindProviders } from "./providers.ts";
import { QueryPromises, type RunOptions } from "./query-promises.ts";
import type { GetResult, PutResult } from "./records.ts";
import { type PeerInput, type SeedInput, SeedResolver } from "./seed-resolver.ts";
import { Services } from "./services.ts";
import { openStack, type Stack } from "./stack.ts";
import { type StreamingFind, streamingFind } from "./streaming-find.ts";

export class DhtNode extends DhtEventTarget {
  readonly #options: CreateNodeOptions;
  readonly #stack: Stack;
  readonly #queries: QueryPromises;
  readonly #resolver: SeedResolver;
  #joining: Joining | undefined;
  #servicesMade: Services | undefined;
  #withdrawalsMade: QueryPromises | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: CreateNodeOptions, stack: Stack) {
    super((error, type) => this.#report(error, type));
    this.#options = options;
    this.#stack = stack;
    this.#queries = new QueryPromises(stack.running.driver, stack.machine);
    this.#resolver = new SeedResolver(stack.addresses);
  }

  /** Made when it is first asked for, as its parts are. */
  get #services(): Services {
    this.#servicesMade ??= new Services({
      options: this.#options,
      stack: this.#stack,
      resolver: this.#resolver,
      run: (query, begin) => this.#query(query, begin),
      runLast: (query, begin) => this.#query(query, begin, {}, this.#withdrawals),
      report: (error) => this.#report(error, undefined),
    });
    return this.#servicesMade;
  }

  /** They go on for a while when the node is closed. */
  get #withdrawals(): QueryPromises {
    this.#withdrawalsMade ??= new QueryPromises(this.#stack.running.driver, this.#stack.machine);
    return this.#withdrawalsMade;
  }

  /** What `createNode` does with options that have been checked. */
  static async open(options: CreateNodeOptions): Promise<DhtNode> {
    const { signal, report = console.error } = options;
    let node: DhtNode | undefined;
    const stack = await openStack(options, {
      onEvent: (event) => {
        if (node !== undefined) node.#onEvent(event);
      },
      report: (error) => (node === undefined ? report(error) : node.#report(error, undefined)),
    });
    node = new DhtNode(options, stack);
    try {
      await abortable(node.#start(), signal);
    } catch (error) {
      await node.close();
      throw error;
    }
    return node;
  }

  /** 32 bytes; the hash of the public key, unless security is `none`. */
  get id(): NodeId {
    return this.#stack.machine.id;
  }

  /**
   * That of the node's identity, 32 bytes, which are not to be changed: who has it finds the names that this node sets.
   * `undefined` where security is `none`.
   */
  get publicKey(): Uint8Array | undefined {
    return this.#stack.security?.identity.publicKey;
  }

  /** Where others can reach this node; empty for a client. */
  get addresses(): readonly string[] {
    const { isListening, running } = this.#stack;
    return isListening ? running.router.localAddresses.map(({ key }) => key) : [];
  }

  get table(): ReadonlyRoutingTable {
    return this.#stack.machine.table;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Every contact of the table; the array is the caller's. */
  contacts(): Contact[] {
    return this.table.contacts();
  }

  /** Counters and gauges: core's, the driver's, the sockets', and the promises of this object that have not settled. */
  stats(): DhtNodeStats {
    return dhtNodeStats(this.#stack, {
      operations: this.#queries.size + (this.#withdrawalsMade?.size ?? 0),
      keptRecords: this.#servicesMade?.keptRecords ?? 0,
    });
  }

  /**
   * Finds a record. A {@link RecordKey} is a key (text with one goes through `parseKey`). A string is a name, of which must
   * be said whose: `{ owner: publicKey }` of the node that has set it, or `{ open: true }` for the one that anyone may
   * overwrite; where security is `none` all names are open. Nobody having it is no error.
   * @throws UsageError `invalidId`, `invalidRecord` (a name that is too long), `invalidOption`
   */
  async get(keyOrName: RecordKey | string, options: GetOptions = {}): Promise<GetResult> {
    return await this.#services.records.get(keyOrName, options);
  }

  /** The key of a name, of which is said whose, as for `get`. @throws as `get` */
  keyOf(name: string, whose: Whose = {}): RecordKey {
    return this.#services.records.keyOf(checkName(name), whose);
  }

  /** The value as text, `undefined` where there is no record. Bytes that are no UTF-8 become U+FFFD. */
  async getText(keyOrName: RecordKey | string, options: GetOptions = {}): Promise<string | undefined> {
    const { value } = await this.get(keyOrName, options);
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }

  /**
   * Stores a value under its own hash, on the nodes closest to that: the key it resolves with proves the value.
   * @param value at most 1,000 bytes
   * @throws PutFailed when fewer than `minAccepted` holders took it; UsageError `invalidRecord` when it is too large
   */
  async put(value: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    return await this.#services.records.put(value, options);
  }

  /**
   * Stores a value under a name of this node, signed: nobody else can change it, and others find it with this node's
   * `publicKey` as owner. With `open: true`, and where security is `none`, under the name that all share and anyone may
   * overwrite. The larger sequence number wins, and it is the time in ms, or one more than the largest seen. So the name
   * is read first, for at most half of `timeoutMs`.
   * @param name 1 to 128 bytes of UTF-8
   * @param value at most 896 bytes
   * @throws Superseded when another value stands there than `expectedSeq` says; as `put`
   */
  async set(name: string, value: Uint8Array | string, options: SetOptions = {}): Promise<PutResult> {
    return await this.#services.records.set(name, value, options);
  }

  /**
   * Stores a record of any type that the network's validators know.
   * @throws Superseded with `expectedSeq`; as `put`
   */
  async putRecord(record: DhtRecord, options: SwapOptions = {}): Promise<PutResult> {
    return await this.#services.records.putRecord(record, options);
  }

  /**
   * Keeps a record alive, whoever has stored it: looks for it now, and then each hour until it is let go or the node
   * closes. Where fewer than 10 holders have it, or it would be over soon, it is stored again as it is. A name is said as
   * for `get`. What this node has stored without `lifetimeMs` it renews anyway.
   * @throws UsageError `invalidOption`, `tooMany` beyond 1,024; as `get`
   */
  async keepAlive(keyOrName: RecordKey | string, options: KeepAliveOptions = {}): Promise<KeptRecord> {
    return await this.#services.kept.keep(keyOrName, options);
  }

  /**
   * Stores bytes of any length as chunks under a tree of manifests, each under its own hash. The source is read as fast as
   * chunks find their holders. Nobody renews them: a file lives for `lifetimeMs`.
   * @throws FilePutFailed, which says how much is stored; the same call again goes on from there
   */
  async putFile(source: ByteSource, options: PutFileOptions = {}): Promise<PutFileResult> {
    return await this.#services.files.put(source, options);
  }

  /** The bytes that `putFile` stored, in order. See {@link FileDownload}; nothing is asked before its loop begins. */
  getFile(key: RecordKey, options: GetFileOptions = {}): FileDownload {
    return this.#services.files.get(key, options);
  }

  /**
   * Tells the network, signed, that this node serves a key, which is a point of the id space or a string: a name that all
   * share, whose {@link keyOfName} it is. Values and providers of one key are kept apart. It is renewed until it is withdrawn or
   * the node closes. Announcing a key again replaces what was said before, also when that fails; the earlier
   * {@link Announcement} then does nothing.
   * @throws AnnounceFailed when fewer than `minAccepted` holders took it; UsageError `noAddress` on a client,
   * `invalidRecord` (metadata, lifetime), `tooMany` beyond `limits.maxOwnProviders` keys. After a rejection, also by an
   * abort, it is not renewed, and who has taken it is told
   */
  async announce(keyOrName: RecordKey | string, options: AnnounceOptions = {}): Promise<Announcement> {
    return await this.#services.announcements.announce(keyOrName, options);
  }

  /** What this node announces and can withdraw; the array is the caller's. */
  get announcements(): readonly Announcement[] {
    return this.#servicesMade?.announcementsMade?.list() ?? [];
  }

  /**
   * Finds who serves a key, this node excluded. A string is a name, as for `announce`. See {@link StreamingFindProviders}.
   * `isProven` says whether a provider has signed that it is one; unless security is `none`, all have. Nobody serving it is
   * no error.
   */
  findProviders(keyOrName: RecordKey | string, options: FindProvidersOptions = {}): StreamingFindProviders {
    const runner = {
      run: this.#query.bind(this),
      cancel: (query: QueryId): void => void this.#queries.cancel(query),
      commands: this.#stack.machine,
      read: this.#stack.security?.readProvider,
    };
    return findProviders(runner, keyOrName, options);
  }

  /** The closest live nodes to a point of the id space, this one excluded. See {@link StreamingFind}. */
  findNode(target: NodeId, options: FindNodeOptions = {}): StreamingFind {
    return streamingFind({
      begin: async (hooks) => {
        checkId("target", target);
        return await this.#query(
          options,
          (nowMs, query) => this.#stack.machine.findNode(nowMs, target, query),
          hooks,
        );
      },
      cancel: (query) => void this.#queries.cancel(query),
    });
  }

  /** Asks whether a peer is there. Nobody answering is no error. @throws UsageError `invalidAddress`; UnresolvableHost */
  async ping(to: PeerInput, options: OperationOptions = {}): Promise<PingResult> {
    return await this.#services.peers.ping(to, options);
  }

  /**
   * Sends an application message and resolves with the reply: what the peer's handler returned, or no bytes where it only
   * acknowledged. A message may arrive twice or, when this rejects, may have arrived nevertheless.
   * @param protocol 1 to 64 printable ASCII characters
   * @param body one datagram on UDP
   * @throws SendFailed with the reason; UsageError; UnresolvableHost
   */
  async send(
    to: PeerInput,
    protocol: string,
    body: Uint8Array | string,
    options: OperationOptions = {},
  ): Promise<Uint8Array> {
    return await this.#services.peers.send(to, protocol, body, options);
  }

  /**
   * Takes application messages of a protocol and replies with what `handler` returns. The returned function ends that.
   * @throws UsageError `invalidArgument` when the protocol is taken or no name; NodeClosed
   */
  handle(protocol: string, handler: MessageHandler): () => void {
    return this.use(new ApplicationHandler(protocol, handler));
  }

  /** Attaches a plugin. The returned function removes it. @throws UsageError `invalidArgument`, `tooMany`; NodeClosed */
  use(plugin: Plugin): () => void {
    this.#assertOpen(undefined);
    return this.#stack.running.driver.use(plugin);
  }

  /**
   * Joins through other seeds, once, and resolves with how many contacts answered the walk to our own id. The seeds of
   * `createNode` stay those that are asked when the table is empty.
   * @throws BootstrapFailed when none answered in time; UsageError `invalidAddress`
   */
  async bootstrap(seeds: readonly SeedInput[], options: BootstrapOptions = {}): Promise<number> {
    this.#assertOpen(options.signal);
    return await (this.#joining as Joining).through(seeds, options);
  }

  /**
   * Ends every operation with {@link NodeClosed}, withdraws what is announced (for at most `closeTimeoutMs`), sends what
   * was queued, frees the sockets. A second call returns the same promise.
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    let settle: (closing: Promise<void>) => void = () => undefined;
    const closing = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#closing = closing; // before anything else, since the last events may call us again
    settle(this.#close());
    return closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    for (const plugin of this.#options.plugins ?? []) this.#stack.running.driver.use(plugin);
    this.#joining = new Joining({
      options: this.#options,
      stack: this.#stack,
      queries: this.#queries,
      resolver: this.#resolver,
      onJoin: (contacts) => this.emit("node:join", { contacts }),
      onFailure: (failure) => this.emit("bootstrap:failure", failure),
      report: (error) => this.#report(error, undefined),
    });
    await this.#joining.start();
  }

  async #query(
    options: OperationOptions,
    begin: (nowMs: InstantMs, options: QueryOptions) => QueryId,
    hooks: Pick<RunOptions, "observe" | "onBegin"> = {},
    queries: QueryPromises = this.#queries,
  ): Promise<QueryFinished> {
    const progress = hooks.observe !== undefined || this.hasListeners("query:progress");
    const query = { ...queryOptions(options), progress };
    return await queries.run((nowMs) => begin(nowMs, query), { ...hooks, signal: options.signal });
  }

  #assertOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.closed) throw new NodeClosed();
  }

  #onEvent(event: NodeEvent): void {
    if (event.type === "queryProgressed") this.#queries.onProgress(event.query, event.result);
    if (event.type === "queryFinished") {
      this.#queries.onFinished(event);
      this.#withdrawalsMade?.onFinished(event);
      if (event.end === "closed") this.#onFault();
    }
    this.tell(event);
  }

  /** `type`: the event whose listener failed. A listener of `node:error` that fails is not told of its own failure. */
  #report(error: unknown, type: string | undefined): void {
    if (this.#stack.running.driver.closed) this.#onFault();
    const { report } = this.#options;
    const isHeard = type !== "node:error" && this.hasListeners("node:error");
    if (isHeard) this.emit("node:error", error);
    if (report === undefined) {
      if (!isHeard) console.error(error);
      return;
    }
    try {
      report(error);
    } catch (cause) {
      console.error(cause, error);
    }
  }

  /** Core has broken: the driver has closed the machine and reported why. The rest follows; what is closed stays so. */
  #onFault(): void {
    this.close().catch(() => undefined);
  }

  async #close(): Promise<void> {
    this.#joining?.stop();
    this.#services.close();
    this.#queries.refuse();
    try {
      const { closeTimeoutMs = createNodeDefaults.closeTimeoutMs } = this.#options;
      const announcements = this.#services.announcementsMade;
      if (closeTimeoutMs > 0 && announcements !== undefined && !announcements.isIdle) {
        this.#queries.cancelAll(); // nobody waits for them any more, and withdrawals need room
        await announcements.close(closeTimeoutMs);
      }
      announcements?.clear();
      this.#withdrawals.refuse();
      await this.#stack.running.close();
    } finally {
      this.#queries.rejectAll(); // those that a broken node has not ended
      this.#withdrawals.rejectAll();
      this.emit("node:close", undefined);
    }
  }
}
