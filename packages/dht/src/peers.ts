/**
 * One peer at a time: what `ping` and `send` of a node come to, once its address is resolved.
 */
import type { Commands, Contact, FailureReason, QueryEnd, QueryStats, Seed } from "@kad/core";
import { abortable } from "./abort.ts";
import { SendFailed } from "./errors.ts";
import { type Explained, explained } from "./explained.ts";
import { toBytes } from "./key.ts";
import type { OperationOptions } from "./options.ts";
import type { RunQuery } from "./records.ts";
import type { PeerInput, SeedResolver } from "./seed-resolver.ts";

export interface PingResult extends Explained {
  /** Who answered; `undefined`: nobody, and `reason` says why. */
  readonly contact: Contact | undefined;
  readonly rttMs: number | undefined;
  readonly reason: FailureReason | undefined;
  readonly end: QueryEnd;
  readonly stats: QueryStats;
}

export interface PeersOptions {
  readonly run: RunQuery;
  readonly commands: Pick<Commands, "ping" | "send">;
  readonly resolver: SeedResolver;
  /** Ends with the node: a name may take longer to resolve than that lives. */
  readonly lifetime: AbortSignal;
}

export class Peers {
  readonly #options: PeersOptions;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  async ping(to: PeerInput, options: OperationOptions): Promise<PingResult> {
    const { run, commands } = this.#options;
    const peer = await this.#resolve(to, options.signal);
    const finished = await run(options, (nowMs, query) => commands.ping(nowMs, peer, query));
    const { result, end, stats } = finished;
    const { contact, rttMs, reason } = result.type === "pong" ? result : nobodyAnswered;
    return { contact, rttMs, reason, end, stats, ...explained(finished) };
  }

  async send(
    to: PeerInput,
    protocol: string,
    body: Uint8Array | string,
    options: OperationOptions,
  ): Promise<Uint8Array> {
    const { run, commands } = this.#options;
    const bytes = toBytes("body", body);
    const peer = await this.#resolve(to, options.signal);
    const { result, end } = await run(options, (nowMs, query) =>
      commands.send(nowMs, peer, protocol, bytes, query),
    );
    if (result.type === "reply" && result.body !== undefined) return result.body;
    throw new SendFailed(protocol, (result.type === "reply" ? result.reason : undefined) ?? "noAnswer", end);
  }

  async #resolve(to: PeerInput, signal: AbortSignal | undefined): Promise<Seed> {
    const { resolver, lifetime } = this.#options;
    signal?.throwIfAborted();
    lifetime.throwIfAborted();
    return await abortable(resolver.resolvePeer("to", to, signal), lifetime);
  }
}

const nobodyAnswered = { contact: undefined, rttMs: undefined, reason: undefined } as const;
