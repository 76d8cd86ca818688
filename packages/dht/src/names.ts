/**
 * Names: whose record a name stands for, under which key, and how it is made and read.
 *
 * A node with an identity writes records of its own under its names: nobody else can change them, and another node's names
 * are other keys. Beside these there are open names, which all share and anyone may overwrite; a node without security has
 * no others (docs/decisions/0035-whose-name.md).
 */
import {
  type DhtRecord,
  labelled,
  maxOpenNameBytes,
  maxOpenValueBytes,
  openRecord,
  type RecordKey,
  readOpenRecord,
  UsageError,
} from "@kad/core";
import { sha256 } from "./hash.ts";
import { checkName, describe, keyBytes, keyOfName } from "./key.ts";
import { demand } from "./option-checks.ts";
import type { Whose } from "./options.ts";
import type { Security } from "./security.ts";

/** What a record says beside its value, where its type has it. */
export interface Said {
  readonly value: Uint8Array;
  readonly seq?: number;
  /** Its owner's public key, 32 bytes. */
  readonly owner?: Uint8Array;
  /** It is over at an instant that its owner has signed, whoever stores it when. */
  readonly endsAtInstant?: boolean;
}

/** Records of one kind of name, of one writer. */
export interface NameKind {
  /** @throws UsageError `invalidRecord` when the name is not 1 to 128 bytes of UTF-8 */
  keyOf(name: string): RecordKey;
  /** @throws UsageError `invalidRecord` that names the field, the value and what is allowed */
  make(name: string, value: Uint8Array, seq: number, lifetimeMs: number | undefined): Promise<DhtRecord>;
}

export class Names {
  readonly #security: Security | undefined;

  constructor(security: Security | undefined) {
    this.#security = security;
  }

  /**
   * Where a name is read.
   * @throws UsageError `invalidOption` when it does not say whose name, or says it twice; `invalidRecord` for the name
   */
  keyOf(name: string, { owner, open }: Whose): RecordKey {
    const security = this.#security;
    checkName(name);
    checkOpen(open);
    if (security === undefined) {
      demand(owner === undefined, "owner", owner, 'nothing where security is "none": nobody owns a name');
      return keyOfName(name);
    }
    if (open === true) {
      demand(owner === undefined, "owner", owner, "nothing beside open: true: nobody owns an open name");
      return keyOfName(name);
    }
    if (owner !== undefined) return keyOfOwned(security, publicKeyOf(owner), name);
    throw new UsageError(
      "invalidOption",
      `owner: missing, and whose "${name.substring(0, 140)}" is it? allowed are { owner: publicKey } of the node that set it ` +
        "(node.publicKey for this one's own), and { open: true } for the name that anyone may overwrite",
    );
  }

  /** What `set` writes: with an identity its own names, unless open ones are asked for. @throws UsageError `invalidOption` */
  kindToWrite(open: boolean | undefined): NameKind {
    const security = this.#security;
    checkOpen(open);
    if (security !== undefined) return open === true ? openNames : ownNames(security);
    demand(
      open !== false,
      "open",
      open,
      'true where security is "none": without an identity all names are open',
    );
    return openNames;
  }

  /** What a record says; `undefined` for a body that its type would not have. */
  read({ type, body }: DhtRecord): Said | undefined {
    if (type === "open") return readOpenRecord(body);
    if (type !== "mutable" || this.#security === undefined) return { value: body };
    const record = this.#security.records.read(body);
    if (record === undefined) return undefined;
    const { value, seq, publicKey: owner, seqIsTime: endsAtInstant } = record;
    return { value, seq, owner, endsAtInstant };
  }
}

const openNames: NameKind = {
  keyOf: keyOfName,
  make: async (name, value, seq) => openRecord(sha256, name, value, seq),
};

function ownNames(security: Security): NameKind {
  const { identity, records } = security;
  return {
    keyOf: (name) => keyOfOwned(security, identity.publicKey, name),
    make: async (name, value, seq, lifetimeMs) =>
      await records.sign(identity, {
        value,
        seq,
        salt: saltOf(name),
        ...(lifetimeMs === undefined ? {} : { ttlSeconds: Math.max(1, Math.ceil(lifetimeMs / 1_000)) }),
      }),
  };
}

function keyOfOwned({ records }: Security, publicKey: Uint8Array, name: string): RecordKey {
  return records.keyOf(publicKey, saltOf(name));
}

/** SHA-256(label("kad/1/name") ‖ name): names may be longer than the 32 bytes of a salt, and holders need not read them. */
function saltOf(name: string): Uint8Array {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= 1 && bytes.length <= maxOpenNameBytes) return sha256(labelled("kad/1/name", bytes));
  throw new UsageError(
    "invalidRecord",
    `name: ${bytes.length} bytes of UTF-8; allowed are 1 to ${maxOpenNameBytes} bytes`,
  );
}

/** @throws UsageError `invalidOption` */
function publicKeyOf(owner: Uint8Array | string): Uint8Array {
  if (owner instanceof Uint8Array && owner.length === keyBytes) return owner;
  if (typeof owner === "string" && /^[0-9a-fA-F]{64}$/.test(owner))
    return Uint8Array.from({ length: keyBytes }, (_, i) =>
      Number.parseInt(owner.substring(2 * i, 2 * i + 2), 16),
    );
  const shown = owner instanceof Uint8Array ? `${owner.length} bytes` : describe(owner);
  throw new UsageError(
    "invalidOption",
    `owner: ${shown}; allowed is a public key, ${keyBytes} bytes or ${2 * keyBytes} hexadecimal digits: an id is only its hash`,
  );
}

/** The same for both kinds. @throws UsageError `invalidRecord` */
export function checkValue(value: Uint8Array): void {
  if (value.length <= maxOpenValueBytes) return;
  throw new UsageError(
    "invalidRecord",
    `value: ${value.length} bytes; allowed are 0 to ${maxOpenValueBytes} bytes`,
  );
}

function checkOpen(open: unknown): void {
  demand(open === undefined || typeof open === "boolean", "open", open, "true or false");
}
