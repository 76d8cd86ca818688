/**
 * Finding who serves a key: what `findProviders` comes to, in a query of core.
 */
import {
  boundAddresses,
  type Commands,
  type Contact,
  type NodeId,
  type QueryEnd,
  type QueryId,
  type QueryStats,
  type RecordKey,
} from "@kad/core";
import type { SignedProvider } from "@kad/crypto";
import { type Explained, explained } from "./explained.ts";
import { resolveKey } from "./key.ts";
import { defined } from "./option-checks.ts";
import type { FindProvidersOptions } from "./options.ts";
import type { RunQuery } from "./records.ts";
import { type StreamingQuery, streamingQuery } from "./streaming-query.ts";

/** Somebody who serves a key. */
export interface Provider {
  /** 32 bytes. */
  readonly id: NodeId;
  /** For `send` and `ping`. The addresses that it has signed come first, then where holders have seen it. */
  readonly contact: Contact;
  /**
   * It has said so itself, under its signature, and whoever answers at `contact` proves that id. Always where there is
   * security: others are not heard of. `false`: holders say so, and nobody has proven it.
   */
  readonly isProven: boolean;
  /** Its public key, 32 bytes, where it is proven: `{ owner }` of the names that it sets. */
  readonly publicKey: Uint8Array | undefined;
  /** What it announced beside its address, 0 to 512 bytes, the caller's own. */
  readonly meta: Uint8Array;
  /** What remained when it was heard: it is renewed meanwhile as long as the provider lives. */
  readonly lifetimeMs: number;
}

export interface FindProvidersResult extends Explained {
  readonly key: RecordKey;
  /** Each once, this node excluded, in the order heard. Empty with `end: "converged"`: nobody has announced it. */
  readonly providers: readonly Provider[];
  /** `timedOut`: those heard when the time was up. `cancelled`: a loop over it was left early. */
  readonly end: QueryEnd;
  readonly stats: QueryStats;
}

/**
 * Await it for all of them, or iterate over it as they are heard, or both. The loop gives each provider once and then ends
 * as the promise settles; leaving it early cancels the search. After an abort or a close it first gives those that were
 * heard, then throws.
 */
export interface StreamingFindProviders extends StreamingQuery<Provider, FindProvidersResult> {}

export interface FindProvidersRunner {
  readonly run: RunQuery;
  readonly cancel: (query: QueryId) => void;
  readonly commands: Pick<Commands, "findProviders">;
  /** Reads what providers have signed; `undefined`: nobody signs. */
  readonly read: ((meta: Uint8Array) => SignedProvider | undefined) | undefined;
}

export function findProviders(
  { run, cancel, commands, read }: FindProvidersRunner,
  keyOrName: RecordKey | string,
  options: FindProvidersOptions,
): StreamingFindProviders {
  const provider = (told: Told): Provider => providerOf(told, read);
  return streamingQuery({
    begin: async (hooks) => {
      const key = resolveKey(keyOrName);
      const limit = defined({ limit: options.limit });
      return await run(
        options,
        (nowMs, query) => commands.findProviders(nowMs, key, { ...query, ...limit }),
        hooks,
      );
    },
    cancel,
    foundIn: (result) => (result.type === "providers" ? result.providers : []),
    keyOf: ({ contact }) => contact.id.key,
    itemOf: provider,
    outcomeOf: ({ result, end, stats, ...finished }) => ({
      key: resolveKey(keyOrName),
      providers: result.type === "providers" ? result.providers.map(provider) : [],
      end,
      stats,
      ...explained(finished),
    }),
  });
}

type Told = Pick<Provider, "contact" | "meta" | "lifetimeMs">;

function providerOf({ contact, meta, lifetimeMs }: Told, read: FindProvidersRunner["read"]): Provider {
  const { id } = contact;
  const signed = read?.(meta);
  if (signed === undefined) return { id, contact, isProven: false, publicKey: undefined, meta, lifetimeMs };
  const addresses = boundAddresses([...signed.addresses, ...contact.addresses]);
  const { publicKey } = signed;
  return { id, contact: { id, addresses }, isProven: true, publicKey, meta: signed.meta, lifetimeMs };
}
