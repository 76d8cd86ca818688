import { KadError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { nobleAead } from "../src/noble-provider.ts";
import { firstSound, nativeProvider, nodeProvider } from "../src/node/native-provider.ts";
import { derKeys, jwkKeys, type OkpKeys } from "../src/node/okp-keys.ts";
import { type CryptoProvider, checkedProvider } from "../src/provider.ts";
import { native, noble } from "./support/providers.ts";

/** A provider that differs from a sound one in some of its calls. */
function unsound(calls: Partial<CryptoProvider>): CryptoProvider {
  return checkedProvider({
    name: "unsound",
    handshakesPerSecond: 1,
    sha256: (...parts) => native.sha256(...parts),
    hmacSha256: (key, ...parts) => native.hmacSha256(key, ...parts),
    x25519: (seed) => native.x25519(seed),
    ed25519: (seed) => native.ed25519(seed),
    verify: (publicKey, message, signature) => native.verify(publicKey, message, signature),
    seal: (key, nonce, ad, plain, into) => native.seal(key, nonce, ad, plain, into),
    open: (key, nonce, ad, sealed, into) => native.open(key, nonce, ad, sealed, into),
    ...calls,
  });
}

const noJwk: OkpKeys = {
  ...jwkKeys,
  privateKey: () => {
    throw new TypeError("this runtime knows no JWK");
  },
};

describe("the check at construction", () => {
  it("passes in this runtime", () => {
    expect(nodeProvider().name).toBe("node");
    expect(firstSound([noble])).toBe(noble);
  });

  it("falls back to DER where the runtime refuses JWK", () => {
    const der = nativeProvider(derKeys);
    expect(firstSound([nativeProvider(noJwk), der])).toBe(der);
  });

  it("falls back where the runtime takes another public key than the seed's", () => {
    const zeros: OkpKeys = { ...jwkKeys, publicBytes: () => new Uint8Array(32) };
    const der = nativeProvider(derKeys);
    expect(firstSound([nativeProvider(zeros), der])).toBe(der);
  });

  it("takes noble's AEAD alone where the runtime has none, as Bun has not", () => {
    const noCipher = {
      seal: () => {
        throw new Error("Unknown cipher");
      },
      open: () => false,
    };
    const mixed = nativeProvider(jwkKeys, nobleAead);
    expect(firstSound([nativeProvider(jwkKeys, noCipher), mixed])).toBe(mixed);
    expect(mixed.name).toBe("node and noble");
    expect(mixed.handshakesPerSecond).toBe(nodeProvider().handshakesPerSecond);
  });

  it.each<[string, Partial<CryptoProvider>]>([
    ["an Ed25519 public key", { ed25519: () => native.ed25519(new Uint8Array(32)) }],
    ["an X25519 public key", { x25519: () => native.x25519(new Uint8Array(32)) }],
    [
      "an X25519 shared secret",
      { x25519: (seed) => ({ publicKey: native.x25519(seed).publicKey, dh: () => undefined }) },
    ],
    ["a ChaCha20-Poly1305 ciphertext", { seal: () => undefined }],
    ["what a ChaCha20-Poly1305 ciphertext holds", { open: () => false }],
  ])("says that the runtime does not compute %s", (what, calls) => {
    expect(() => firstSound([unsound(calls)])).toThrow(
      `node:crypto of this runtime does not compute ${what} as it should`,
    );
  });

  it("passes on what the runtime threw", () => {
    const error = caught(() => firstSound([nativeProvider(noJwk)]));
    expect(error).toBeInstanceOf(KadError);
    expect(error).toMatchObject({
      code: "cryptoUnavailable",
      cause: expect.objectContaining({ message: "this runtime knows no JWK" }),
    });
  });
});

function caught(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("it did not throw");
}
