import { UsageError } from "@kad/core";
import { describe, expect, it } from "vitest";
import { isSmallOrder } from "../src/small-order.ts";
import { hex, unhex } from "./support/hex.ts";
import { native, noble, providers } from "./support/providers.ts";

const text = (characters: string) => new TextEncoder().encode(characters);

describe.each(providers)("%s", (_name, provider) => {
  it("computes SHA-256 as FIPS 180-4 gives it, whole and in parts", () => {
    const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(hex(provider.sha256(text("abc")))).toBe(digest);
    expect(hex(provider.sha256(text("a"), text(""), text("bc")))).toBe(digest);
    expect(hex(provider.sha256())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("computes HMAC-SHA-256 and with it HKDF as RFC 5869 §A.1 gives it", () => {
    const salt = unhex("000102030405060708090a0b0c");
    const prk = provider.hmacSha256(salt, new Uint8Array(22).fill(0x0b));
    expect(hex(prk)).toBe("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    const info = unhex("f0f1f2f3f4f5f6f7f8f9");
    const first = provider.hmacSha256(prk, info, Uint8Array.of(1));
    const second = provider.hmacSha256(prk, first, info, Uint8Array.of(2));
    expect(hex(first) + hex(second).slice(0, 20)).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  it("computes X25519 as RFC 7748 §5.2 gives it, a set top bit ignored", () => {
    const first = provider.x25519(unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
    expect(hex(first.dh(unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")))).toBe(
      "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    );
    const second = provider.x25519(unhex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"));
    expect(hex(second.dh(unhex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493")))).toBe(
      "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    );
  });

  it("computes X25519 a thousand times over as RFC 7748 §5.2 gives it", () => {
    let k: Uint8Array = new Uint8Array(32);
    k[0] = 9;
    let u = k;
    for (let i = 1; i <= 1_000; i++) {
      const next = provider.x25519(k).dh(u) as Uint8Array;
      u = k;
      k = next;
      if (i === 1) expect(hex(k)).toBe("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
    expect(hex(k)).toBe("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
  });

  it("computes the key exchange of RFC 7748 §6.1", () => {
    const alice = provider.x25519(unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
    const bob = provider.x25519(unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    expect(hex(alice.publicKey)).toBe("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    expect(hex(bob.publicKey)).toBe("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    expect(hex(alice.dh(bob.publicKey))).toBe(shared);
    expect(hex(bob.dh(alice.publicKey))).toBe(shared);
  });

  it.each([
    {
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      message: "",
      signature:
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    },
    {
      seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      message: "72",
      signature:
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    },
    {
      seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      message: "af82",
      signature:
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    },
  ])("signs as RFC 8032 §7.1 gives it: $message", ({ seed, publicKey, message, signature }) => {
    const pair = provider.ed25519(unhex(seed));
    expect(hex(pair.publicKey)).toBe(publicKey);
    expect(hex(pair.sign(unhex(message)))).toBe(signature);
    expect(provider.verify(unhex(publicKey), unhex(message), unhex(signature))).toBe(true);
    expect(provider.verify(unhex(publicKey), unhex(`${message}00`), unhex(signature))).toBe(false);
  });

  it("seals as RFC 8439 §2.8.2 gives it, and opens that again", () => {
    const key = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const nonce = unhex("070000004041424344454647");
    const ad = unhex("50515253c0c1c2c3c4c5c6c7");
    const plain = text(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const into = new Uint8Array(plain.length + 20);
    provider.seal(key, nonce, ad, plain, into);
    expect(hex(into)).toBe(
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da" +
        "92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808" +
        "b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060069100000000",
    );
    const sealed = into.subarray(0, plain.length + 16);
    const opened = new Uint8Array(plain.length + 4);
    expect(provider.open(key, nonce, ad, sealed, opened)).toBe(true);
    expect(hex(opened)).toBe(`${hex(plain)}00000000`);
    for (const changed of [0, plain.length - 1, plain.length, sealed.length - 1]) {
      const forged = Uint8Array.from(sealed);
      forged[changed] = (forged[changed] as number) ^ 1;
      expect(provider.open(key, nonce, ad, forged, opened)).toBe(false);
    }
    expect(provider.open(key, nonce, ad.subarray(1), sealed, opened)).toBe(false);
    expect(provider.open(key, nonce, ad, sealed.subarray(0, 15), opened)).toBe(false);
  });

  it("seals and opens nothing at all", () => {
    const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)];
    const sealed = new Uint8Array(16);
    provider.seal(key, nonce, new Uint8Array(0), new Uint8Array(0), sealed);
    expect(provider.open(key, nonce, new Uint8Array(0), sealed, new Uint8Array(0))).toBe(true);
  });

  it("refuses keys of small order, in each of their 14 encodings, whatever the signature", () => {
    const encodings = smallOrderKeys();
    expect(new Set(encodings.map(hex)).size).toBe(14);
    for (const key of encodings) {
      expect(isSmallOrder(key)).toBe(true);
      // R = the key, S = 0: under the neutral element this fits every message.
      const signature = new Uint8Array(64);
      signature.set(key);
      expect(provider.verify(key, text("any"), signature)).toBe(false);
    }
    expect(isSmallOrder(provider.ed25519(new Uint8Array(32)).publicKey)).toBe(false);
  });

  it("gives nothing where a key exchange would end in all zeros, or the key is no key", () => {
    const pair = provider.x25519(new Uint8Array(32).fill(7));
    expect(pair.dh(new Uint8Array(32))).toBeUndefined();
    expect(
      pair.dh(unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
    ).toBeUndefined();
    expect(pair.dh(new Uint8Array(31))).toBeUndefined();
    expect(pair.dh(new Uint8Array(33))).toBeUndefined();
  });

  it("says no to keys, signatures and points that are none", () => {
    const pair = provider.ed25519(new Uint8Array(32).fill(1));
    const { publicKey } = pair;
    const signature = pair.sign(text("m"));
    expect(provider.verify(publicKey, text("m"), signature)).toBe(true);
    expect(provider.verify(publicKey.subarray(1), text("m"), signature)).toBe(false);
    expect(provider.verify(publicKey, text("m"), signature.subarray(1))).toBe(false);
    expect(provider.verify(new Uint8Array(32).fill(2), text("m"), signature)).toBe(false);
    expect(provider.verify(publicKey, text("m"), new Uint8Array(64).fill(0xff))).toBe(false);
  });

  it.each([
    [
      "a short seed of X25519",
      () => provider.x25519(new Uint8Array(31)),
      "seed: 31 bytes; allowed are 32 bytes",
    ],
    [
      "a long seed of Ed25519",
      () => provider.ed25519(new Uint8Array(33)),
      "seed: 33 bytes; allowed are 32 bytes",
    ],
    ["a short key", () => seal(16, 12, 16), "key: 16 bytes; allowed are 32 bytes"],
    ["a long nonce", () => seal(32, 24, 16), "nonce: 24 bytes; allowed are 12 bytes"],
    ["no room", () => seal(32, 12, 15), "into: 15 bytes; needed are 16 bytes"],
    ["a short key to open", () => open(31, 12, 0), "key: 31 bytes; allowed are 32 bytes"],
    ["a short nonce to open", () => open(32, 8, 1), "nonce: 8 bytes; allowed are 12 bytes"],
    ["no room to open", () => open(32, 12, 0), "into: 0 bytes; needed are 1 bytes"],
  ])("refuses its caller %s, and shows no secret", (_what, call, message) => {
    expect(call).toThrow(UsageError);
    expect(call).toThrow(message);
  });

  const none = new Uint8Array(0);
  const seal = (key: number, nonce: number, room: number) =>
    provider.seal(new Uint8Array(key), new Uint8Array(nonce), none, none, new Uint8Array(room));
  const open = (key: number, nonce: number, room: number) =>
    provider.open(new Uint8Array(key), new Uint8Array(nonce), none, new Uint8Array(17), new Uint8Array(room));

  it("gives plain arrays that the caller owns", () => {
    const seed = new Uint8Array(32).fill(3);
    const exchange = provider.x25519(seed);
    const signing = provider.ed25519(seed);
    const made = [
      provider.sha256(seed),
      provider.hmacSha256(seed, seed),
      exchange.publicKey,
      exchange.dh(provider.x25519(new Uint8Array(32).fill(4)).publicKey) as Uint8Array,
      signing.publicKey,
      signing.sign(seed),
    ];
    for (const bytes of made) expect(bytes.constructor).toBe(Uint8Array);
    const before = hex(exchange.dh(exchange.publicKey));
    seed.fill(0xaa); // the seed was borrowed
    expect(hex(exchange.dh(exchange.publicKey))).toBe(before);
  });
});

it("noble and node agree on random input", () => {
  for (let i = 0; i < 20; i++) {
    const seed = noble.sha256(Uint8Array.of(i));
    const other = noble.sha256(seed);
    expect(hex(native.x25519(seed).publicKey)).toBe(hex(noble.x25519(seed).publicKey));
    expect(hex(native.x25519(seed).dh(other))).toBe(hex(noble.x25519(seed).dh(other)));
    const message = other.subarray(0, i);
    const signature = noble.ed25519(seed).sign(message);
    expect(hex(native.ed25519(seed).sign(message))).toBe(hex(signature));
    expect(native.verify(noble.ed25519(seed).publicKey, message, signature)).toBe(true);
    expect(hex(native.hmacSha256(seed, message, other))).toBe(hex(noble.hmacSha256(seed, message, other)));
  }
});

it.each([0, 1, 127, 128, 255])("noble and node agree on a key of 32 bytes %d", (byte) => {
  const seed = new Uint8Array(32).fill(byte);
  const { publicKey } = native.x25519(noble.sha256(seed));
  expect(hex(noble.x25519(seed).publicKey)).toBe(hex(native.x25519(seed).publicKey));
  expect(hex(noble.x25519(seed).dh(publicKey))).toBe(hex(native.x25519(seed).dh(publicKey)));
});

/** Every encoding of the eight points: y below p and, where that is below 2^255, y + p, with either sign bit. */
function smallOrderKeys(): Uint8Array[] {
  const p = 2n ** 255n - 19n;
  const root = (exponent: bigint, base: bigint): bigint => {
    let [result, power] = [1n, base % p];
    for (let bits = exponent; bits > 0n; bits >>= 1n) {
      if (bits & 1n) result = (result * power) % p;
      power = (power * power) % p;
    }
    return result;
  };
  const d = (-121665n * root(p - 2n, 121666n)) % p;
  const i = root((p - 1n) / 4n, 2n);
  // Order 8: x² = -y², so -x² + y² = 1 + dx²y² says 2y² = 1 - dy⁴, a quadratic in y².
  const ys = new Set([0n, 1n, p - 1n]);
  const mod = (a: bigint) => ((a % p) + p) % p;
  const sqrt = (a: bigint): bigint | undefined => {
    let r = root((p + 3n) / 8n, mod(a));
    if (mod(r * r - a) !== 0n) r = mod(r * i);
    return mod(r * r - a) === 0n ? r : undefined;
  };
  const s = sqrt(1n + d) as bigint;
  for (const sign of [1n, -1n]) {
    const ySquare = mod((-1n + sign * s) * root(p - 2n, mod(d)));
    const y = sqrt(ySquare);
    if (y !== undefined) ys.add(y).add(p - y);
  }
  const encodings: Uint8Array[] = [];
  for (const y of ys) {
    for (const value of [y, y + p]) {
      if (value >= 2n ** 255n) continue;
      for (const signBit of [0, 0x80]) {
        const bytes = Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
        bytes[31] = (bytes[31] as number) | signBit;
        encodings.push(bytes);
      }
    }
  }
  return encodings;
}
