/**
 * The record types that a node knows: the two built-in ones and the host's, by name for callers and by code on the wire.
 *
 * Validators are hooks: they see bytes from strangers and belong to others. One that throws is reported as a
 * {@link HookError} and counts as a refusal, so no message of a peer can throw through the node.
 */
import { copyBytes } from "./bytes.ts";
import { HookError, UsageError } from "./errors.ts";
import type { Reporter } from "./hooks.ts";
import { immutableValidator } from "./immutable-record.ts";
import { openValidator } from "./open-record.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason, WireRecord } from "./protocol.ts";
import {
  type DhtRecord,
  maxRecordBodyBytes,
  type RecordValidator,
  type Sha256,
  type ValidationContext,
} from "./record.ts";

export interface RecordTypesOptions extends Reporter {
  readonly sha256: Sha256;
  readonly limits: Pick<NodeLimits, "valueQuorum" | "valueLifetimeMs">;
  /** Wall-clock time, where the host supplies it. */
  unixMs(): number | undefined;
}

interface RecordType {
  readonly name: string;
  readonly validator: RecordValidator;
}

export class RecordTypes {
  readonly #options: RecordTypesOptions;
  /** Few: looking through them costs less than a table of them would. */
  readonly #types: readonly RecordType[];

  /**
   * @param validators by type name, beside the built-in `immutable` and `open`
   * @throws UsageError `invalidOption` when a validator's fields are out of range, or a name or code is taken
   */
  constructor(options: RecordTypesOptions, validators: Readonly<Record<string, RecordValidator>> = {}) {
    this.#options = options;
    this.#types = withValidators(validators);
  }

  /** The type's byte on the wire; `undefined`: no such type here. */
  codeOf(name: string): number | undefined {
    return this.#named(name)?.validator.code;
  }

  nameOf(typeCode: number): string | undefined {
    return this.#coded(typeCode)?.name;
  }

  /** How many holders a reader asks; before the type is known, and for unknown types, the limit `valueQuorum`. */
  quorumOf(typeCode: number | undefined): number {
    const validator = typeCode === undefined ? undefined : this.#coded(typeCode)?.validator;
    return validator === undefined || validator === openValidator
      ? this.#options.limits.valueQuorum
      : validator.quorum;
  }

  /** Why a record from the network is not taken, as holder or as reader; `undefined`: it is valid. */
  refusalOf(record: WireRecord): RefusalReason | undefined {
    const type = this.#coded(record.typeCode);
    if (type === undefined) return "unsupported";
    if (record.body.length > type.validator.maxBodyBytes) return "tooLarge";
    try {
      const fault = type.validator.validate(record.key, record.body, this.#context());
      return fault === undefined ? undefined : "invalidRecord";
    } catch (error) {
      this.#options.report(new HookError(`validator ${type.name}`, error));
      return "invalidRecord";
    }
  }

  /**
   * Of two valid bodies under one key: above zero when `a` is to be kept, below zero for `b`, 0 when they are the same
   * record. `undefined` when the type is unknown or its validator threw, which was reported.
   */
  better(typeCode: number, a: Uint8Array, b: Uint8Array): number | undefined {
    const type = this.#coded(typeCode);
    if (type === undefined) return undefined;
    try {
      return type.validator.select(a, b, this.#context());
    } catch (error) {
      this.#options.report(new HookError(`validator ${type.name}`, error));
      return undefined;
    }
  }

  /**
   * How long a valid record may be kept here, from now on: at most `valueLifetimeMs`, less where the record says so. Zero
   * or less, or NaN: it is over, or its validator threw, which was reported.
   */
  longestMs(typeCode: number, body: Uint8Array): number {
    const ownMs = this.#options.limits.valueLifetimeMs;
    const type = this.#coded(typeCode);
    if (type?.validator.lifetimeMs === undefined) return ownMs;
    try {
      return Math.min(ownMs, type.validator.lifetimeMs(body, this.#context()) ?? ownMs);
    } catch (error) {
      this.#options.report(new HookError(`validator ${type.name}`, error));
      return 0;
    }
  }

  /** What compare-and-swap compares; `undefined` when the type has no such number, or its validator threw. */
  seqOf(typeCode: number, body: Uint8Array): number | undefined {
    const type = this.#coded(typeCode);
    try {
      return type?.validator.seqOf?.(body);
    } catch (error) {
      this.#options.report(new HookError(`validator ${type?.name}`, error));
      return undefined;
    }
  }

  /**
   * What a caller wants to put, as it travels; its body is a copy and its lifetime no longer than the record itself allows.
   * @throws UsageError `invalidRecord` when the type is unknown, the body too large, the lifetime outside 1 ms to
   * `valueLifetimeMs`, the record over, or the validator refuses it or throws (its error is then the cause)
   */
  toWire(record: DhtRecord): WireRecord {
    const type = this.#named(record.type);
    if (type === undefined) {
      throw new UsageError(
        "invalidRecord",
        `type: "${record.type}"; known are ${this.#types.map(({ name }) => name).join(", ")}`,
      );
    }
    const { validator } = type;
    if (record.body.length > validator.maxBodyBytes) {
      throw new UsageError(
        "invalidRecord",
        `body: ${record.body.length} bytes; allowed for ${type.name} are 0 to ${validator.maxBodyBytes} bytes`,
      );
    }
    const lifetimeMs = this.#checkedLifetime(record.lifetimeMs);
    const body = copyBytes(record.body);
    let fault: string | undefined;
    try {
      fault = validator.validate(record.key, body, this.#context());
    } catch (error) {
      throw new UsageError("invalidRecord", `the validator of ${type.name} threw`, { cause: error });
    }
    if (fault !== undefined) throw new UsageError("invalidRecord", `${type.name}: ${fault}`);
    const longestMs = this.longestMs(validator.code, body);
    if (!(longestMs > 0))
      throw new UsageError("invalidRecord", `${type.name}: it says of itself that it is over`);
    return { typeCode: validator.code, key: record.key, lifetimeMs: Math.min(lifetimeMs, longestMs), body };
  }

  #context(): ValidationContext {
    return { sha256: this.#options.sha256, unixMs: this.#options.unixMs() };
  }

  #checkedLifetime(lifetimeMs: number | undefined): number {
    const longestMs = this.#options.limits.valueLifetimeMs;
    if (lifetimeMs === undefined) return longestMs;
    if (lifetimeMs >= 1 && lifetimeMs <= longestMs) return lifetimeMs;
    throw new UsageError("invalidRecord", `lifetimeMs: ${lifetimeMs}; allowed are 1 to ${longestMs} ms`);
  }

  #named(name: string): RecordType | undefined {
    return this.#types.find((type) => type.name === name);
  }

  #coded(code: number): RecordType | undefined {
    return this.#types.find(({ validator }) => validator.code === code);
  }
}

/** Shared by all nodes that have no others. `open` takes its quorum from the node's limits. */
const builtInTypes: readonly RecordType[] = [
  { name: "immutable", validator: immutableValidator },
  { name: "open", validator: openValidator },
];

function withValidators(validators: Readonly<Record<string, RecordValidator>>): readonly RecordType[] {
  const given = Object.entries(validators);
  if (given.length === 0) return builtInTypes;
  const types = [...builtInTypes];
  for (const [name, validator] of given) {
    checkType(types, name, validator);
    types.push({ name, validator });
  }
  return types;
}

function checkType(known: readonly RecordType[], name: string, validator: RecordValidator): void {
  const refuse = (what: string, value: unknown, allowed: string): never => {
    throw new UsageError("invalidOption", `validators.${name}${what}: ${String(value)}; ${allowed}`);
  };
  const { code, maxBodyBytes, quorum } = validator;
  if (known.some((type) => type.name === name)) refuse("", name, "the name is taken");
  if (!isWholeIn(code, 1, 255)) refuse(".code", code, "allowed is a whole number from 1 to 255");
  const taken = known.find((type) => type.validator.code === code);
  if (taken !== undefined) refuse(".code", code, `taken by ${taken.name}`);
  if (!isWholeIn(maxBodyBytes, 0, maxRecordBodyBytes)) {
    refuse(".maxBodyBytes", maxBodyBytes, `allowed are 0 to ${maxRecordBodyBytes} bytes`);
  }
  if (!isWholeIn(quorum, 1, 255)) refuse(".quorum", quorum, "allowed is a whole number from 1 to 255");
}

function isWholeIn(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
