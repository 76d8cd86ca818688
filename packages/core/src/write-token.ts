/**
 * Write tokens: who stores here must have heard us at the address that the request claims to come from.
 *
 *     token = SHA-256(secret 16 ‖ address ‖ target)[0..8)
 *
 * BEP 5, with the target as in libtorrent, so that a token for one key does not open all others. The secret is replaced
 * every `tokenRotationMs` and the one before it still counts, so a token lives for one to two rotations, and no state is
 * kept for those who never come back.
 *
 * BEP 5 hashes the IP alone, so that a NAT may change the port between the two requests. We hash the whole address: an
 * address is opaque to core (a WebSocket URL has no IP), everyone behind one carrier's NAT would otherwise share their
 * tokens, and ours are used within the walk that fetched them, from the same socket. A rebinding in that moment costs one
 * more findNode: the refusal `badToken` says so.
 */
import type { Address } from "./address.ts";
import type { InstantMs } from "./machine.ts";
import { maxIdBytes, type NodeId } from "./node-id.ts";
import type { Sha256 } from "./record.ts";

const writeTokenBytes = 8;

/** With a UDP address and a target of 32 bytes the hash input is then one block of SHA-256. */
const secretBytes = 16;
/** The native codec's longest address: a tag, a length and 128 bytes of URL. Longer ones are hashed in an array of their own. */
const usualAddressBytes = 130;
/** What is hashed. One for all nodes: it is written and read within a call, and lent to nobody but `sha256` meanwhile. */
const scratch = new Uint8Array(secretBytes + usualAddressBytes + maxIdBytes);

/**
 * Issues and checks tokens. The secret simply stands in front of what is hashed: two thirds of the hash are never shown,
 * so nobody can extend it. What `sha256` or `random` throws goes through.
 */
export class WriteTokens {
  readonly #sha256: Sha256;
  readonly #random: { fill(into: Uint8Array): void };
  readonly #rotationMs: number;
  /** The current secret, then the previous one; made with the first call. */
  #secrets: Uint8Array | undefined = undefined;
  #rotatedAtMs: InstantMs | undefined = undefined;

  /**
   * @param random secret-grade; asked at the first call and at each rotation
   * @param rotationMs age at which the secret is replaced
   */
  constructor(sha256: Sha256, random: { fill(into: Uint8Array): void }, rotationMs: number) {
    this.#sha256 = sha256;
    this.#random = random;
    this.#rotationMs = rotationMs;
  }

  /**
   * Replaces the secret when it is due; `issue` and `check` begin with it, so no timer is needed.
   * After two rotations without a call both secrets are new: a token never outlives its time because nobody came.
   */
  rotate(nowMs: InstantMs): void {
    this.#secretsAt(nowMs);
  }

  #secretsAt(nowMs: InstantMs): Uint8Array {
    this.#secrets ??= new Uint8Array(2 * secretBytes);
    const secrets = this.#secrets;
    const ageMs = this.#rotatedAtMs === undefined ? Number.POSITIVE_INFINITY : nowMs - this.#rotatedAtMs;
    if (ageMs < this.#rotationMs) return secrets;
    if (ageMs < 2 * this.#rotationMs) secrets.copyWithin(secretBytes, 0, secretBytes);
    else this.#random.fill(secrets.subarray(secretBytes));
    this.#random.fill(secrets.subarray(0, secretBytes));
    this.#rotatedAtMs = nowMs;
    return secrets;
  }

  /** Writes the token for this address and target to `into[0..8)` and returns `into`, by default a fresh array. */
  issue(
    nowMs: InstantMs,
    address: Address,
    target: NodeId,
    into: Uint8Array = new Uint8Array(writeTokenBytes),
  ): Uint8Array {
    const hash = this.#hash(this.#secretsAt(nowMs), 0, address, target);
    for (let i = 0; i < writeTokenBytes; i++) into[i] = hash[i] as number;
    return into;
  }

  /** Whether we issued `token` for this address and target, one to two rotations ago at most. The bytes are borrowed. */
  check(nowMs: InstantMs, address: Address, target: NodeId, token: Uint8Array): boolean {
    if (token.length !== writeTokenBytes) return false;
    const secrets = this.#secretsAt(nowMs);
    // Both are always compared, and to their ends: how long it takes says nothing about how much was right.
    const byCurrent = differences(this.#hash(secrets, 0, address, target), token);
    const byPrevious = differences(this.#hash(secrets, secretBytes, address, target), token);
    return byCurrent === 0 || byPrevious === 0;
  }

  /** With the secret that begins at `secrets[at]`. */
  #hash(secrets: Uint8Array, at: number, { wire }: Address, target: NodeId): Uint8Array {
    const length = secretBytes + wire.length + target.length;
    const hashed = length > scratch.length ? new Uint8Array(length) : scratch.subarray(0, length);
    for (let i = 0; i < secretBytes; i++) hashed[i] = secrets[at + i] as number;
    hashed.set(wire, secretBytes);
    target.writeTo(hashed, secretBytes + wire.length);
    return this.#sha256(hashed);
  }
}

function differences(hash: Uint8Array, token: Uint8Array): number {
  let different = 0;
  for (let i = 0; i < writeTokenBytes; i++) different |= (hash[i] as number) ^ (token[i] as number);
  return different;
}
