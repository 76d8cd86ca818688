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
/** The native codec's longest address: a tag, a length and 128 bytes of URL. Longer ones grow the scratch. */
const usualAddressBytes = 130;

/**
 * Issues and checks tokens. The secret simply stands in front of what is hashed: two thirds of the hash are never shown,
 * so nobody can extend it. What `sha256` or `random` throws goes through.
 */
export class WriteTokens {
  readonly #sha256: Sha256;
  readonly #random: { fill(into: Uint8Array): void };
  readonly #rotationMs: number;
  readonly #current = new Uint8Array(secretBytes);
  readonly #previous = new Uint8Array(secretBytes);
  #rotatedAtMs: InstantMs | undefined;
  #scratch = new Uint8Array(secretBytes + usualAddressBytes + maxIdBytes);

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
    const ageMs = this.#rotatedAtMs === undefined ? Number.POSITIVE_INFINITY : nowMs - this.#rotatedAtMs;
    if (ageMs < this.#rotationMs) return;
    if (ageMs < 2 * this.#rotationMs) this.#previous.set(this.#current);
    else this.#random.fill(this.#previous);
    this.#random.fill(this.#current);
    this.#rotatedAtMs = nowMs;
  }

  /** Writes the token for this address and target to `into[0..8)` and returns `into`, by default a fresh array. */
  issue(
    nowMs: InstantMs,
    address: Address,
    target: NodeId,
    into: Uint8Array = new Uint8Array(writeTokenBytes),
  ): Uint8Array {
    this.rotate(nowMs);
    const hash = this.#hash(this.#current, address, target);
    for (let i = 0; i < writeTokenBytes; i++) into[i] = hash[i] as number;
    return into;
  }

  /** Whether we issued `token` for this address and target, one to two rotations ago at most. The bytes are borrowed. */
  check(nowMs: InstantMs, address: Address, target: NodeId, token: Uint8Array): boolean {
    if (token.length !== writeTokenBytes) return false;
    this.rotate(nowMs);
    // Both are always compared, and to their ends: how long it takes says nothing about how much was right.
    const byCurrent = differences(this.#hash(this.#current, address, target), token);
    const byPrevious = differences(this.#hash(this.#previous, address, target), token);
    return byCurrent === 0 || byPrevious === 0;
  }

  #hash(secret: Uint8Array, address: Address, target: NodeId): Uint8Array {
    const length = secretBytes + address.wire.length + target.length;
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(length);
    this.#scratch.set(secret);
    this.#scratch.set(address.wire, secretBytes);
    target.writeTo(this.#scratch, secretBytes + address.wire.length);
    return this.#sha256(this.#scratch.subarray(0, length));
  }
}

function differences(hash: Uint8Array, token: Uint8Array): number {
  let different = 0;
  for (let i = 0; i < writeTokenBytes; i++) different |= (hash[i] as number) ^ (token[i] as number);
  return different;
}
