/**
 * The record types that a node knows: the two built-in ones and the host's, by name for callers and by code on the wire.
 *
 * Validators are hooks: they see bytes from strangers and belong to others. One that throws is reported as a
 * {@link HookError} and counts as a refusal, so no message of a peer can throw through the node.
 */
import { copyBytes } from "./bytes.ts";
import { HookError, type KadError, UsageError } from "./errors.ts";
import { immutableValidator } from "./immutable-record.ts";
import { openValidator } from "./open-record.ts";
import type { NodeLimits } from "./options.ts";
import type { RefusalReason, WireRecord } from "./protocol.ts";
import { type DhtRecord, maxRecordBodyBytes, type RecordValidator, type Sha256 } from "./record.ts";

export interface RecordTypesOptions {
  /** By type name, beside the built-in `immutable` and `open`. */
  readonly validators?: Readonly<Record<string, RecordValidator>>;
  readonly sha256: Sha256;
  readonly limits: Pick<NodeLimits, "valueQuorum" | "valueLifetimeMs">;
  /** Told of every hook that throws; must not throw itself. */
  readonly report: (error: KadError) => void;
}

interface RecordType {
  readonly name: string;
  readonly validator: RecordValidator;
}

export class RecordTypes {
  readonly #byName = new Map<string, RecordType>();
  readonly #byCode = new Map<number, RecordType>();
  readonly #sha256: Sha256;
  readonly #limits: Pick<NodeLimits, "valueQuorum" | "valueLifetimeMs">;
  readonly #report: (error: KadError) => void;

  /** @throws UsageError `invalidOption` when a validator's fields are out of range, or a name or code is taken */
  constructor(options: RecordTypesOptions) {
    this.#sha256 = options.sha256;
    this.#limits = options.limits;
    this.#report = options.report;
    this.#add("immutable", immutableValidator);
    this.#add("open", { ...openValidator, quorum: options.limits.valueQuorum });
    for (const [name, validator] of Object.entries(options.validators ?? {})) this.#add(name, validator);
  }

  /** The type's byte on the wire; `undefined`: no such type here. */
  codeOf(name: string): number | undefined {
    return this.#byName.get(name)?.validator.code;
  }

  nameOf(typeCode: number): string | undefined {
    return this.#byCode.get(typeCode)?.name;
  }

  /** How many holders a reader asks; before the type is known, and for unknown types, the limit `valueQuorum`. */
  quorumOf(typeCode: number | undefined): number {
    const type = typeCode === undefined ? undefined : this.#byCode.get(typeCode);
    return type?.validator.quorum ?? this.#limits.valueQuorum;
  }

  /** Why a record from the network is not taken, as holder or as reader; `undefined`: it is valid. */
  refusalOf(unixMs: number | undefined, record: WireRecord): RefusalReason | undefined {
    const type = this.#byCode.get(record.typeCode);
    if (type === undefined) return "unsupported";
    if (record.body.length > type.validator.maxBodyBytes) return "tooLarge";
    try {
      const fault = type.validator.validate(record.key, record.body, { sha256: this.#sha256, unixMs });
      return fault === undefined ? undefined : "invalidRecord";
    } catch (error) {
      this.#report(new HookError(`validator ${type.name}`, error));
      return "invalidRecord";
    }
  }

  /**
   * Of two valid bodies under one key: above zero when `a` is to be kept, below zero for `b`, 0 when they are the same
   * record. `undefined` when the type is unknown or its validator threw, which was reported.
   */
  better(unixMs: number | undefined, typeCode: number, a: Uint8Array, b: Uint8Array): number | undefined {
    const type = this.#byCode.get(typeCode);
    if (type === undefined) return undefined;
    try {
      return type.validator.select(a, b, { sha256: this.#sha256, unixMs });
    } catch (error) {
      this.#report(new HookError(`validator ${type.name}`, error));
      return undefined;
    }
  }

  /**
   * What a caller wants to put, as it travels; its body is a copy.
   * @throws UsageError `invalidRecord` when the type is unknown, the body too large, the lifetime outside 1 ms to
   * `valueLifetimeMs`, or the validator refuses it or throws (its error is then the cause)
   */
  toWire(unixMs: number | undefined, record: DhtRecord): WireRecord {
    const type = this.#byName.get(record.type);
    if (type === undefined) {
      throw new UsageError(
        "invalidRecord",
        `type: "${record.type}"; known are ${[...this.#byName.keys()].join(", ")}`,
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
      fault = validator.validate(record.key, body, { sha256: this.#sha256, unixMs });
    } catch (error) {
      throw new UsageError("invalidRecord", `the validator of ${type.name} threw`, { cause: error });
    }
    if (fault !== undefined) throw new UsageError("invalidRecord", `${type.name}: ${fault}`);
    return { typeCode: validator.code, key: record.key, lifetimeMs, body };
  }

  #checkedLifetime(lifetimeMs: number | undefined): number {
    const longestMs = this.#limits.valueLifetimeMs;
    if (lifetimeMs === undefined) return longestMs;
    if (lifetimeMs >= 1 && lifetimeMs <= longestMs) return lifetimeMs;
    throw new UsageError("invalidRecord", `lifetimeMs: ${lifetimeMs}; allowed are 1 to ${longestMs} ms`);
  }

  #add(name: string, validator: RecordValidator): void {
    const refuse = (what: string, value: unknown, allowed: string): never => {
      throw new UsageError("invalidOption", `validators.${name}${what}: ${String(value)}; ${allowed}`);
    };
    const { code, maxBodyBytes, quorum } = validator;
    if (this.#byName.has(name)) refuse("", name, "the name is taken");
    if (!isWholeIn(code, 1, 255)) refuse(".code", code, "allowed is a whole number from 1 to 255");
    const taken = this.nameOf(code);
    if (taken !== undefined) refuse(".code", code, `taken by ${taken}`);
    if (!isWholeIn(maxBodyBytes, 0, maxRecordBodyBytes)) {
      refuse(".maxBodyBytes", maxBodyBytes, `allowed are 0 to ${maxRecordBodyBytes} bytes`);
    }
    if (!isWholeIn(quorum, 1, 255)) refuse(".quorum", quorum, "allowed is a whole number from 1 to 255");
    const type: RecordType = { name, validator };
    this.#byName.set(name, type);
    this.#byCode.set(code, type);
  }
}

function isWholeIn(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
