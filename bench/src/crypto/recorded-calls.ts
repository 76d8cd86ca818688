/** The calls of a provider as they were made, to be made again without anything around them. */
import type { CryptoProvider } from "@kad/crypto";

const [keyBytes, nonceBytes, adBytes, tagBytes] = [32, 12, 9, 16];
const headBytes = keyBytes + nonceBytes + adBytes;
const maxPlainBytes = 1_200;

/** Writes down what is sealed in datagrams, in one array, so that it leaves nothing on the heap. */
export class RecordedCalls {
  readonly provider: CryptoProvider;
  readonly #inner: CryptoProvider;
  readonly #bytes: Uint8Array;
  #used = 0;
  #lengths: number[] = [];
  #isRecording = false;

  constructor(inner: CryptoProvider, roomBytes: number) {
    this.#inner = inner;
    this.#bytes = new Uint8Array(roomBytes);
    this.provider = {
      name: inner.name,
      handshakesPerSecond: inner.handshakesPerSecond,
      sha256: (...parts) => inner.sha256(...parts),
      hmacSha256: (key, ...parts) => inner.hmacSha256(key, ...parts),
      x25519: (seed) => inner.x25519(seed),
      ed25519: (seed) => inner.ed25519(seed),
      verify: (publicKey, message, signature) => inner.verify(publicKey, message, signature),
      seal: (key, nonce, ad, plain, into) => {
        if (this.#isRecording) this.#write(key, nonce, ad, plain);
        inner.seal(key, nonce, ad, plain, into);
      },
      open: (key, nonce, ad, sealed, into) => inner.open(key, nonce, ad, sealed, into),
    };
  }

  /** What is sealed while `run` runs. */
  record(run: () => void): void {
    this.#used = 0;
    this.#lengths = [];
    this.#isRecording = true;
    run();
    this.#isRecording = false;
  }

  /** Seals and opens everything again, each under its own key. Returns how many there were. */
  replay(): number {
    const sealed = new Uint8Array(maxPlainBytes + tagBytes);
    const opened = new Uint8Array(maxPlainBytes);
    let at = 0;
    for (const length of this.#lengths) {
      const key = this.#bytes.subarray(at, at + keyBytes);
      const nonce = this.#bytes.subarray(at + keyBytes, at + keyBytes + nonceBytes);
      const ad = this.#bytes.subarray(at + keyBytes + nonceBytes, at + headBytes);
      const plain = this.#bytes.subarray(at + headBytes, at + headBytes + length);
      const wire = sealed.subarray(0, length + tagBytes);
      this.#inner.seal(key, nonce, ad, plain, wire);
      if (!this.#inner.open(key, nonce, ad, wire, opened)) throw new Error("it does not open");
      at += headBytes + length;
    }
    return this.#lengths.length;
  }

  #write(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array): void {
    if (ad.length !== adBytes) return; // of a handshake
    for (const part of [key, nonce, ad, plain]) {
      this.#bytes.set(part, this.#used);
      this.#used += part.length;
    }
    this.#lengths.push(plain.length);
  }
}
