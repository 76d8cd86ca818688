/**
 * Counters as nonces of ChaCha20-Poly1305 (Noise §12): four zero bytes, then the counter, 64 bits, little-endian.
 */

/** @param nonce 12 bytes, written over @param counter a whole number from 0 to 2^53 - 1 */
export function writeCounterNonce(nonce: Uint8Array, counter: number): void {
  const high = Math.floor(counter / 2 ** 32);
  nonce[0] = nonce[1] = nonce[2] = nonce[3] = 0;
  for (let i = 0; i < 4; i++) {
    nonce[4 + i] = counter >>> (8 * i);
    nonce[8 + i] = high >>> (8 * i);
  }
}

/** The nonce 2^64 - 1, which only REKEY uses (Noise §4.2). */
export const rekeyNonce: Uint8Array = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255);
