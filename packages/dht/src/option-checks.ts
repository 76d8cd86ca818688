/**
 * How options are checked: a refusal names the option, the value and what is allowed. What may be a secret is in no message.
 */
import { type QueryOptions, UsageError } from "@kad/core";
import { describe } from "./key.ts";
import type { CreateNodeOptions, FindNodeOptions, GetOptions, SwapOptions } from "./options.ts";

/** What core knows of an operation's options; it checks their ranges. */
export function queryOptions(options: FindNodeOptions & GetOptions & SwapOptions): QueryOptions {
  const { timeoutMs, parallelism, results, paths, quorum, expectedSeq, keep, explain } = options;
  return defined({ timeoutMs, parallelism, results, paths, quorum, expectedSeq, keep, explain });
}

/** A copy without the fields that are `undefined`: absent is the only way to say nothing. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** @throws UsageError `invalidOption` that names the option, the value and what is allowed */
export function checkCreateNodeOptions(options: CreateNodeOptions): void {
  demand(
    typeof options === "object" && options !== null,
    "options",
    options,
    "an object, such as { listen, bootstrap }",
  );
  checkSecurity(options);
  const { bootstrap, bootstrapRequired, report, plugins, listen, dial, transports, machine } = options;
  const isText = typeof listen === "string" || listen === undefined;
  demand(isText || Array.isArray(listen), "listen", listen, "a URL or an array of them");
  demand(dial === undefined || Array.isArray(dial), "dial", dial, "an array of udp, tcp, ws, wss");
  demand(transports === undefined || Array.isArray(transports), "transports", transports, "an array");
  demand(bootstrap === undefined || Array.isArray(bootstrap), "bootstrap", bootstrap, "an array of URLs");
  demand(plugins === undefined || Array.isArray(plugins), "plugins", plugins, "an array");
  demand(
    bootstrapRequired === undefined || typeof bootstrapRequired === "boolean",
    "bootstrapRequired",
    bootstrapRequired,
    "true or false",
  );
  demand(report === undefined || typeof report === "function", "report", report, "a function");
  demand(machine === undefined || typeof machine === "function", "machine", machine, "a function");
  checkTimeout("bootstrapTimeoutMs", options.bootstrapTimeoutMs);
  if (options.closeTimeoutMs !== 0) checkTimeout("closeTimeoutMs", options.closeTimeoutMs);
  checkMinAccepted(options.minAccepted);
}

function checkSecurity({ security, identity, networkKey, network, id }: CreateNodeOptions): void {
  const isTuned = typeof security === "object" && security !== null;
  demand(
    security === undefined || security === "none" || isTuned,
    "security",
    security,
    'absent (encrypted), an object of more options, or "none" (plain text)',
  );
  if (security === "none") {
    for (const [name, value] of Object.entries({ identity, networkKey, network })) {
      if (value !== undefined) refuse(name, hidden(value), 'nothing where security is "none"');
    }
    return;
  }
  demand(id === undefined, "id", id, 'nothing unless security is "none": the id comes from the identity');
  const isIdentity = typeof identity?.sign === "function" && identity.publicKey instanceof Uint8Array;
  if (identity !== undefined && !isIdentity)
    refuse("identity", hidden(identity), "an Identity, such as await loadOrCreateIdentity(path)");
  if (networkKey !== undefined && typeof networkKey?.exportBytes !== "function")
    refuse("networkKey", hidden(networkKey), "a NetworkKey, such as await loadNetworkKey(path)");
  demand(network === undefined || typeof network === "string", "network", network, "a string");
  demand(
    security?.admits === undefined || typeof security.admits === "function",
    "security.admits",
    security?.admits,
    "a function",
  );
}

function hidden(value: unknown): string {
  return value instanceof Uint8Array ? "bytes" : typeof value;
}

function refuse(name: string, shown: string, allowed: string): never {
  throw new UsageError("invalidOption", `${name}: ${shown}; allowed is ${allowed}`);
}

/** Timers of Node wait at most 2^31 - 1 ms. */
const longestTimerMs = 2 ** 31 - 1;

/** @throws UsageError `invalidOption` */
export function checkTimeout(
  name: string,
  value: number | undefined,
  maxMs: number = longestTimerMs,
  minMs = 1,
): void {
  const isRight = value === undefined || (typeof value === "number" && value >= minMs && value <= maxMs);
  demand(isRight, name, value, `a number from ${minMs} to ${maxMs} ms`);
}

/** @throws UsageError `invalidOption` */
export function checkMinAccepted(value: number | undefined): void {
  const isRight = value === undefined || (Number.isInteger(value) && value >= 0 && value <= 255);
  demand(isRight, "minAccepted", value, "a whole number from 0 to 255");
}

export function demand(isRight: boolean, name: string, value: unknown, allowed: string): void {
  if (!isRight) refuse(name, describe(value), allowed);
}
