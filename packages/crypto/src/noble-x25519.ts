/**
 * X25519 (RFC 7748): the ladder of `@noble/curves`, given the base point that `@noble/ed25519` has already. The `x25519` of
 * `@noble/curves` brings an Edwards curve of its own along, which no bundler leaves out.
 */
import { montgomery } from "@noble/curves/abstract/montgomery.js";
import { Point } from "@noble/ed25519";

const { p, n } = Point.CURVE();

function squared(x: bigint, times: number): bigint {
  let result = x;
  for (let i = 0; i < times; i++) result = (result * result) % p;
  return result;
}

/** 1 / x: x to the power of p - 2, by the same steps whatever x is. In binary that is 250 ones, 01 and 011. */
function inverse(x: bigint): bigint {
  const ones = (count: number): bigint => {
    if (count === 1) return x;
    const half = count >> 1;
    const low = ones(half);
    const even = (squared(low, half) * low) % p;
    return count % 2 === 0 ? even : (squared(even, 1) * x) % p;
  };
  const high = (squared(ones(250), 2) * x) % p;
  return (squared(high, 3) * ones(2)) % p;
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
