/**
 * The encodings of Ed25519 points of small order: under such a key one signature can fit many messages.
 *
 * RFC 8032 §5.1.7 leaves them to the verifier, and implementations differ: OpenSSL takes some that noble refuses. Eight
 * points have an order that divides 8. Each has its canonical encoding; y = 0 and y = 1 also stand as p and p + 1, and
 * points with x = 0 with the sign bit set: 14 in all. With the sign bit aside, seven numbers.
 */

/** y, little-endian, sign bit zero. */
const smallOrderY: readonly string[] = [
  "0000000000000000000000000000000000000000000000000000000000000000", // 0: order 4
  "0100000000000000000000000000000000000000000000000000000000000000", // 1: the neutral element
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p - 1: order 2
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p, which is 0
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p + 1, which is 1
];

const table: readonly (readonly number[])[] = smallOrderY.map((hex) =>
  Array.from({ length: 32 }, (_, i) => Number.parseInt(hex.substring(2 * i, 2 * i + 2), 16)),
);

/** Whether 32 bytes encode a point of small order, canonically or not, whatever the sign bit says. */
export function isSmallOrder(publicKey: Uint8Array): boolean {
  return table.some((y) => {
    for (let i = 0; i < 31; i++) if (publicKey[i] !== y[i]) return false;
    return ((publicKey[31] as number) & 0x7f) === y[31];
  });
}
