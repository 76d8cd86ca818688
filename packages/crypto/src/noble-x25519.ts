/**
 * X25519 (RFC 7748): the ladder of `@noble/curves`, given the base point that `@noble/ed25519` has already. The `x25519` of
 * `@noble/curves` brings an Edwards curve of its own along, which no bundler leaves out.
 */
import { pow } from "@noble/curves/abstract/modular.js";
import { montgomery } from "@noble/curves/abstract/montgomery.js";
import { Point } from "@noble/ed25519";

const { p, n } = Point.CURVE();

/** 1 / x, and 0 for 0: x to the power of p - 2, by the same steps whatever x is. */
function inverse(x: bigint): bigint {
  return pow(x, p - 2n, p);
}

export const x25519: ReturnType<typeof montgomery> = montgomery({
  P: p,
  type: "x25519",
  powPminus2: inverse,
  /** RFC 7748 §5. */
  adjustScalarBytes(bytes: Uint8Array) {
    bytes[0] = (bytes[0] as number) & 248;
    bytes[31] = ((bytes[31] as number) & 127) | 64;
    return bytes;
  },
  /** On the Edwards curve, whose multiples of the base point are in a table, and back by u = (1 + y) / (1 - y) (RFC 7748 §4.1). */
  scalarMultBase(scalar) {
    const { Y, Z } = Point.BASE.multiply(scalar % n);
    return (Z + Y) * inverse((p + Z - Y) % p);
  },
});
