import { describe, expect, it } from "vitest";
import {
  completed,
  expiryOf,
  identityOf,
  makeCertificate,
  shortened,
  signatureOf,
  signedText,
  staticOf,
} from "../src/certificate.ts";
import { CertificateChecker } from "../src/certificate-checker.ts";
import { SeedIdentity } from "../src/identity.ts";
import { LruMap } from "../src/lru-map.ts";
import { Network } from "../src/network.ts";
import { hex } from "./support/hex.ts";
import { native, providers } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const network = new Network(native, "kad");
const identity = SeedIdentity.generate(native, new SeededRandom("identity"));
const us = SeedIdentity.generate(native, new SeededRandom("us"));
const staticKey = native.x25519(new Uint8Array(32).fill(9)).publicKey;

function certificateOf(owner = identity, expiresAtUnixS = 2_000, key = staticKey, of = network): Uint8Array {
  return makeCertificate(
    owner.publicKey,
    key,
    expiresAtUnixS,
    owner.sign(signedText(of, key, expiresAtUnixS)),
  );
}

const checker = (maxRemembered = 10) =>
  new CertificateChecker({ provider: native, network, id: us.id, maxRemembered });

describe("a certificate", () => {
  it("is identity, static key, expiry and signature", () => {
    const certificate = certificateOf(identity, 2 ** 40 + 5);
    expect(certificate.length).toBe(134);
    expect(hex(certificate.subarray(0, 32))).toBe(hex(identity.publicKey));
    expect(hex(certificate.subarray(32, 64))).toBe(hex(staticKey));
    expect(hex(certificate.subarray(64, 70))).toBe("010000000005");
    expect(hex(identityOf(certificate))).toBe(hex(identity.publicKey));
    expect(hex(staticOf(certificate))).toBe(hex(staticKey));
    expect(expiryOf(certificate)).toBe(2 ** 40 + 5);
    expect(signatureOf(certificate).length).toBe(64);
  });

  it("signs a label, the network, the static key and the expiry", () => {
    const label = "0c6b61642f312f737461746963"; // 12, "kad/1/static"
    expect(hex(signedText(network, staticKey, 258))).toBe(
      `${label}${hex(network.tag)}${hex(staticKey)}000000000102`,
    );
  });

  it("is whole again from its short form and the static key", () => {
    const certificate = certificateOf();
    const short = shortened(certificate);
    expect(short.length).toBe(102);
    expect(hex(completed(short, staticKey))).toBe(hex(certificate));
  });
});

describe("checking a certificate", () => {
  it.each(providers)("says whose it is, by %s", (_name, provider) => {
    const checking = new CertificateChecker({ provider, network, id: us.id, maxRemembered: 1 });
    expect(checking.check(certificateOf(), undefined)).toEqual(identity.id);
  });

  it("fails at every changed bit", () => {
    const certificate = certificateOf();
    const checking = checker();
    for (let bit = 0; bit < 8 * certificate.length; bit++) {
      const changed = Uint8Array.from(certificate);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(checking.check(changed, undefined), `bit ${bit}`).toBe("badSignature");
    }
    expect(checking.remembered).toBe(0);
  });

  it("fails in another network", () => {
    const other = certificateOf(identity, 0, staticKey, new Network(native, "other"));
    expect(checker().check(other, undefined)).toBe("badSignature");
  });

  it("refuses our own identity, and a static key of zeros", () => {
    expect(checker().check(certificateOf(us), undefined)).toBe("ownIdentity");
    expect(checker().check(certificateOf(identity, 0, new Uint8Array(32)), undefined)).toBe("zeroStatic");
  });

  it("looks at the expiry where wall-clock time is known, remembered or not", () => {
    const checking = checker();
    const certificate = certificateOf(identity, 2_000);
    expect(checking.check(certificate, 1_999_999)).toEqual(identity.id);
    expect(checking.check(certificate, 2_000_000)).toBe("expired");
    expect(checking.check(certificate, undefined)).toEqual(identity.id);
    expect(checking.check(certificateOf(identity, 0), 1e15)).toEqual(identity.id);
  });

  it("remembers so many good ones, and checks their signatures once", () => {
    const checking = checker(2);
    const [a, b, c] = [1, 2, 3].map((expiry) => certificateOf(identity, expiry)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const check = (certificate: Uint8Array) => checking.check(certificate, undefined);
    for (const certificate of [a, b, a, b, a]) expect(check(certificate)).toEqual(identity.id);
    expect([checking.checked, checking.remembered]).toEqual([2, 2]);
    check(c); // b was used longest ago
    check(a);
    expect(checking.checked).toBe(3);
    check(b);
    expect([checking.checked, checking.remembered]).toEqual([4, 2]);
  });
});

it("a bounded map forgets what was used longest ago", () => {
  const map = new LruMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([3, undefined, 4]);
  map.delete("a");
  expect([map.size, map.limit, map.get("a")]).toEqual([1, 2, undefined]);
});
