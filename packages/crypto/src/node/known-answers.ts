/**
 * Known answers by which a provider shows that its runtime does what it should: seed to public key, Diffie-Hellman, AEAD.
 */
import { fromHex, KadError, toHex } from "@kad/core";
import type { CryptoProvider } from "../provider.ts";

/** RFC 8032 §7.1, test 1. */
const signing = {
  seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
  publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
};
/** RFC 7748 §6.1. */
const exchange = {
  seed: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  publicKey: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
  peer: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
  shared: "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
};
/** RFC 8439 §2.8.2. */
const sealing = {
  key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
  nonce: "070000004041424344454647",
  ad: "50515253c0c1c2c3c4c5c6c7",
  plain:
    "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620" +
    "4920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c" +
    "2073756e73637265656e20776f756c642062652069742e",
  sealed:
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da" +
    "92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad67594558580" +
    "8b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
};

/** @throws KadError `cryptoUnavailable` that says which answer was wrong, with the runtime's own error as its cause */
export function checkKnownAnswers(provider: CryptoProvider): void {
  check("an Ed25519 public key", signing.publicKey, () => provider.ed25519(bytes(signing.seed)).publicKey);
  check("an X25519 public key", exchange.publicKey, () => provider.x25519(bytes(exchange.seed)).publicKey);
  check("an X25519 shared secret", exchange.shared, () =>
    provider.x25519(bytes(exchange.seed)).dh(bytes(exchange.peer)),
  );
  const [key, nonce, ad] = [bytes(sealing.key), bytes(sealing.nonce), bytes(sealing.ad)];
  check("a ChaCha20-Poly1305 ciphertext", sealing.sealed, () => {
    const into = new Uint8Array(sealing.sealed.length / 2);
    provider.seal(key, nonce, ad, bytes(sealing.plain), into);
    return into;
  });
  check("what a ChaCha20-Poly1305 ciphertext holds", sealing.plain, () => {
    const into = new Uint8Array(sealing.plain.length / 2);
    return provider.open(key, nonce, ad, bytes(sealing.sealed), into) ? into : undefined;
  });
}

function check(what: string, expected: string, compute: () => Uint8Array | undefined): void {
  let cause: unknown;
  try {
    if (toHex(compute() ?? new Uint8Array(0)) === expected) return;
  } catch (error) {
    cause = error;
  }
  const message = `node:crypto of this runtime does not compute ${what} as it should; nobleProvider does`;
  throw new KadError("cryptoUnavailable", message, { cause });
}

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}
