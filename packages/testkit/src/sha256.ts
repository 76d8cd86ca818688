/**
 * SHA-256 (FIPS 180-4), as short as it can be: so that a pair of nodes runs wherever JavaScript does, with nothing to
 * supply. Slow; a node of yours takes its platform's.
 */

/** The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3). */
const [roundConstants, firstState] = constants();

export function sha256(bytes: Uint8Array): Uint8Array {
  const state = Int32Array.from(firstState);
  const padded = pad(bytes);
  for (let offset = 0; offset < padded.byteLength; offset += 64) compress(state, padded, offset);
  const digest = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) digest.setInt32(4 * i, word);
  return new Uint8Array(digest.buffer);
}

/** A one bit, zeros, and the length in bits: a multiple of 64 bytes (§5.1.1). */
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array((Math.floor((bytes.length + 8) / 64) + 1) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  return view;
}

/** §6.2.2 */
function compress(state: Int32Array, message: DataView, offset: number): void {
  const schedule = new Int32Array(64);
  for (let t = 0; t < 64; t++) {
    schedule[t] =
      t < 16
        ? message.getInt32(offset + 4 * t)
        : at(schedule, t - 16) + at(schedule, t - 7) + mixed(schedule, t);
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as Octet;
  for (let t = 0; t < 64; t++) {
    const sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const first = (h + sum1 + ((e & f) ^ (~e & g)) + at(roundConstants, t) + at(schedule, t)) | 0;
    const second = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = at(state, i) + word;
}

type Octet = [number, number, number, number, number, number, number, number];

function mixed(schedule: Int32Array, t: number): number {
  const [early, late] = [at(schedule, t - 15), at(schedule, t - 2)];
  return (
    (rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3)) +
    (rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10))
  );
}

function rotated(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function at(words: Int32Array, i: number): number {
  return words[i] as number;
}

function constants(): [Int32Array, Int32Array] {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  const fraction = (root: number): number => (root - Math.floor(root)) * 2 ** 32;
  return [
    Int32Array.from(primes, (prime) => fraction(exactCubeRoot(prime))),
    Int32Array.from(
      primes.filter((_, i) => i < 8),
      (prime) => fraction(Math.sqrt(prime)),
    ),
  ];
}

/** `Math.cbrt` may differ between engines in the last bit; one step of Newton from it does not matter after 32. */
function exactCubeRoot(n: number): number {
  const root = n ** (1 / 3);
  return root - (root ** 3 - n) / (3 * root ** 2);
}
