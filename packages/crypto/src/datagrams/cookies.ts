/**
 * Cookies prove that somebody hears what is sent to an address, while we keep nothing.
 *
 *     cookie = issued u32 | HMAC(secret, label("kad/1/cookie") ‖ issued ‖ address ‖ HELLO[0..40) ‖ certificate)[0..16)
 *
 * `issued` is in seconds of our own clock. The secret is replaced every minute and the one before it still counts, both
 * within the 10 seconds that a cookie lives.
 */
import { type Address, labelled } from "@kad/core";
import { equalCodes, readU32, writeU32 } from "../bytes.ts";
import { type CryptoProvider, drawSeed, type RandomSource } from "../provider.ts";
import { cookieBytes } from "./packets.ts";

/** In seconds. A handshake's round trip and two retransmissions fit in. */
export const cookieLifetimeSeconds = 10;
const secretLifetimeSeconds = 60;
const codeBytes: number = cookieBytes - 4;

const label = labelled("kad/1/cookie");

export class Cookies {
  readonly #provider: CryptoProvider;
  readonly #keys: RandomSource;
  #secret: Uint8Array;
  #previous: Uint8Array | undefined;
  #fromSecond: number;

  constructor(provider: CryptoProvider, keys: RandomSource, second: number) {
    this.#provider = provider;
    this.#keys = keys;
    this.#secret = drawSeed(keys);
    this.#fromSecond = second;
  }

  /** A fresh array of 20 bytes. */
  issue(second: number, address: Address, head: Uint8Array, certificate: Uint8Array): Uint8Array {
    this.#rotate(second);
    const cookie = new Uint8Array(cookieBytes);
    writeU32(cookie, 0, second);
    cookie.set(this.#code(this.#secret, cookie, address, head, certificate), 4);
    return cookie;
  }

  /** Cheapest first: nothing is computed for a cookie that is too old, or from the future. */
  isFresh(second: number, cookie: Uint8Array): boolean {
    const age = second - readU32(cookie, 0);
    return age >= 0 && age <= cookieLifetimeSeconds;
  }

  /** Whether we gave this fresh cookie to that address for that HELLO, with that certificate. */
  isOurs(
    second: number,
    cookie: Uint8Array,
    address: Address,
    head: Uint8Array,
    certificate: Uint8Array,
  ): boolean {
    this.#rotate(second);
    const code = cookie.subarray(4);
    if (equalCodes(this.#code(this.#secret, cookie, address, head, certificate), code)) return true;
    const previous = this.#previous;
    if (previous === undefined) return false;
    return equalCodes(this.#code(previous, cookie, address, head, certificate), code);
  }

  /** Voids every cookie that is out. */
  voidAll(second: number): void {
    this.#secret = drawSeed(this.#keys);
    this.#previous = undefined;
    this.#fromSecond = second;
  }

  #rotate(second: number): void {
    const age = second - this.#fromSecond;
    if (age < secretLifetimeSeconds) return;
    this.#previous = age < 2 * secretLifetimeSeconds ? this.#secret : undefined;
    this.#secret = drawSeed(this.#keys);
    this.#fromSecond = second;
  }

  #code(
    secret: Uint8Array,
    cookie: Uint8Array,
    { wire }: Address,
    head: Uint8Array,
    certificate: Uint8Array,
  ): Uint8Array {
    const issued = cookie.subarray(0, 4);
    return this.#provider.hmacSha256(secret, label, issued, wire, head, certificate).subarray(0, codeBytes);
  }
}
