/**
 * What a network demands of its providers, if anything: the host's {@link ProviderValidator}, guarded as validators of
 * records are. One that throws is reported as a {@link HookError} and counts as a refusal.
 */
import { HookError } from "./errors.ts";
import type { Reporter } from "./hooks.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeLimits } from "./options.ts";
import type { ProviderValidator } from "./provider.ts";
import type { RecordKey, Sha256, ValidationContext } from "./record.ts";

export interface ProviderRulesOptions extends Reporter {
  readonly sha256: Sha256;
  readonly limits: Pick<NodeLimits, "providerLifetimeMs">;
  /** Wall-clock time, where the host supplies it. */
  unixMs(): number | undefined;
}

export class ProviderRules {
  readonly #options: ProviderRulesOptions;
  readonly #validator: ProviderValidator | undefined;

  constructor(options: ProviderRulesOptions, validator: ProviderValidator | undefined) {
    this.#options = options;
    this.#validator = validator;
  }

  /** What is wrong with what `provider` says under `key`; `undefined`: it is valid. */
  faultOf(key: RecordKey, provider: NodeId, meta: Uint8Array): string | undefined {
    if (this.#validator === undefined) return undefined;
    return this.#guard(
      (validator) => validator.validate(key, provider, meta, this.#context()),
      "not checked",
    );
  }

  /** How long something valid may be kept, from now on. Zero or less, or NaN: it is over, or the validator threw. */
  longestMs(meta: Uint8Array): number {
    const ownMs = this.#options.limits.providerLifetimeMs;
    if (this.#validator?.lifetimeMs === undefined) return ownMs;
    return Math.min(
      ownMs,
      this.#guard((validator) => validator.lifetimeMs?.(meta, this.#context()) ?? ownMs, 0),
    );
  }

  /** Of two valid things that one provider says, above zero when `a` is the newer, below zero for `b`; else 0. */
  newer(a: Uint8Array, b: Uint8Array): number {
    if (this.#validator?.select === undefined) return 0;
    return this.#guard((validator) => validator.select?.(a, b) ?? 0, 0);
  }

  #context(): ValidationContext {
    return { sha256: this.#options.sha256, unixMs: this.#options.unixMs() };
  }

  #guard<T>(call: (validator: ProviderValidator) => T, otherwise: T): T {
    try {
      return call(this.#validator as ProviderValidator);
    } catch (error) {
      this.#options.report(new HookError("providerValidator", error));
      return otherwise;
    }
  }
}
