import { describe, expect, it } from "vitest";
import { hex, unhex } from "./support/hex.ts";
import { providers } from "./support/providers.ts";
import { describeVectors, type Wycheproof } from "./support/published-vectors.ts";

interface ExchangeTest {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

describeVectors<Wycheproof<ExchangeTest>>("wycheproof-x25519.json", ({ testGroups }) => {
  describe.each(providers)("%s", (_name, provider) => {
    it("gives the shared secrets, and nothing where they are all zero", () => {
      for (const test of testGroups.flatMap(({ tests }) => tests)) {
        const shared = provider.x25519(unhex(test.private)).dh(unhex(test.public));
        const expected = /^0+$/.test(test.shared) ? "none" : test.shared;
        expect(hex(shared), `case ${test.tcId}, ${test.comment}`).toBe(expected);
      }
    });
  });
});

interface SignatureTest {
  readonly msg: string;
  readonly sig: string;
}

describeVectors<Wycheproof<SignatureTest, { readonly publicKey: { readonly pk: string } }>>(
  "wycheproof-ed25519.json",
  ({ testGroups }) => {
    it.each(providers)("%s takes the valid signatures alone", (_name, provider) => {
      for (const { publicKey, tests } of testGroups) {
        for (const test of tests) {
          const isValid = provider.verify(unhex(publicKey.pk), unhex(test.msg), unhex(test.sig));
          expect(isValid, `case ${test.tcId}, ${test.comment}`).toBe(test.result === "valid");
        }
      }
    });
  },
);

interface AeadTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

describeVectors<Wycheproof<AeadTest, { readonly ivSize: number }>>(
  "wycheproof-chacha20_poly1305.json",
  ({ testGroups }) => {
    const tests = testGroups.flatMap(({ ivSize, tests }) => (ivSize === 96 ? tests : []));

    it.each(providers)("%s opens the valid ciphertexts alone, and makes the same", (_name, provider) => {
      for (const test of tests) {
        const [key, nonce, ad] = [unhex(test.key), unhex(test.iv), unhex(test.aad)];
        const sealed = unhex(test.ct + test.tag);
        const opened = new Uint8Array(sealed.length - 16);
        const isValid = test.result === "valid";
        const name = `case ${test.tcId}, ${test.comment}`;
        expect(provider.open(key, nonce, ad, sealed, opened), name).toBe(isValid);
        if (!isValid) continue;
        expect(hex(opened), name).toBe(test.msg);
        const again = new Uint8Array(sealed.length);
        provider.seal(key, nonce, ad, opened, again);
        expect(hex(again), name).toBe(hex(sealed));
      }
    });
  },
);

interface MacTest {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}

describeVectors<Wycheproof<MacTest>>("wycheproof-hmac_sha256.json", ({ testGroups }) => {
  it.each(providers)(
    "%s gives the codes of the valid cases, and others than the invalid",
    (_name, provider) => {
      for (const test of testGroups.flatMap(({ tests }) => tests)) {
        const code = hex(provider.hmacSha256(unhex(test.key), unhex(test.msg)));
        const isEqual = code.startsWith(test.tag);
        expect(isEqual, `case ${test.tcId}, ${test.comment}`).toBe(test.result === "valid");
      }
    },
  );
});

interface HkdfTest {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}

describeVectors<Wycheproof<HkdfTest>>("wycheproof-hkdf_sha256.json", ({ testGroups }) => {
  const tests = testGroups.flatMap(({ tests }) => tests).filter(({ result }) => result === "valid");

  it.each(providers)("%s gives them by its HMAC", (_name, provider) => {
    for (const test of tests) {
      const salt = test.salt === "" ? new Uint8Array(32) : unhex(test.salt);
      const prk = provider.hmacSha256(salt, unhex(test.ikm));
      let block: Uint8Array = new Uint8Array(0);
      let okm = "";
      for (let i = 1; okm.length < 2 * test.size; i++) {
        block = provider.hmacSha256(prk, block, unhex(test.info), Uint8Array.of(i));
        okm += hex(block);
      }
      expect(okm.slice(0, 2 * test.size), `case ${test.tcId}, ${test.comment}`).toBe(test.okm);
    }
  });
});
