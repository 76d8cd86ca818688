/** Short names for texts and bytes: they tell runs apart, and are no proof against forgers. FNV is public domain. */

/** Two FNV-1a lanes with different primes, over UTF-16 units. */
export class TextHash {
  #a = 0x811c9dc5 | 0;
  #b = 0x9747b28c | 0;

  /** A line feed is added behind it. */
  add(line: string): void {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < line.length; i++) {
      const unit = line.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul(b ^ unit, 0x5bd1e995) ^ (b >>> 15);
    }
    this.#a = Math.imul(a ^ 10, 0x01000193);
    this.#b = Math.imul(b ^ 10, 0x5bd1e995) ^ (b >>> 15);
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return hex(this.#a) + hex(this.#b);
  }
}

/** FNV-1a: 8 hexadecimal digits. */
export function checksumOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hex(hash);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
