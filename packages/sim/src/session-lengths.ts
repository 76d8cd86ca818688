/**
 * How long nodes stay, by published measurements, as shapes with a median of 1.
 *
 * Stutzbach & Rejaie, "Understanding Churn in Peer-to-Peer Networks" (IMC 2006), measured Gnutella, BitTorrent and Kad:
 * sessions follow Weibull distributions, with shapes from 0.34 to 0.59 for the BitTorrent swarms they fit, and not the
 * exponential one that simulations usually assume: most sessions are short, some very long. Steiner, En-Najjary & Biersack,
 * "Long Term Study of Peer Behavior in the KAD DHT" (IEEE/ACM ToN 17/5, 2009), found Weibull distributions for Kad too.
 *
 * The tables are the quantiles (ln(1/(1−p)) / ln 2)^(1/shape), cut at p = 0.9999.
 */
import { UsageError } from "@kad/core";
import { Distribution, type Quantile } from "./distribution.ts";

/**
 * `weibull059`: shape 0.59, the steadiest swarm of Stutzbach & Rejaie. `weibull038`: shape 0.38, half of all sessions under a
 * twentieth of the mean. `exponential`: shape 1, without memory, for comparison with other work.
 */
export type SessionShape = "weibull059" | "weibull038" | "exponential";

export const sessionShapes: readonly SessionShape[] = ["weibull059", "weibull038", "exponential"];

const shares = [
  0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
  0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 1,
];

const medians: Readonly<Record<SessionShape, readonly number[]>> = {
  weibull059: [
    0, 0.002498, 0.01212, 0.04105, 0.08557, 0.1465, 0.2253, 0.3243, 0.4466, 0.5961, 0.7782, 1, 1.271, 1.605,
    2.021, 2.549, 3.238, 4.169, 5.51, 7.651, 9.341, 11.95, 15.61, 18.79, 24.77, 31.42, 41.17, 49.25, 80.2,
  ],
  weibull038: [
    0, 0.00009108, 0.001058, 0.00703, 0.02199, 0.05066, 0.09885, 0.174, 0.286, 0.4479, 0.6775, 1, 1.451,
    2.084, 2.982, 4.276, 6.197, 9.178, 14.15, 23.55, 32.11, 47.08, 71.25, 95.02, 146, 211.1, 321.2, 424.3,
    904.6,
  ],
  exponential: [
    0, 0.02915, 0.074, 0.152, 0.2345, 0.3219, 0.415, 0.5146, 0.6215, 0.737, 0.8625, 1, 1.152, 1.322, 1.515,
    1.737, 2, 2.322, 2.737, 3.322, 3.737, 4.322, 5.059, 5.644, 6.644, 7.644, 8.966, 9.966, 13.29,
  ],
};

/**
 * Sessions of this shape, in ms.
 * @throws UsageError `invalidOption` for another shape, or a median that is not above 0
 */
export function sessionLengths(shape: SessionShape, medianMs: number): Distribution {
  const values = Object.hasOwn(medians, shape) ? medians[shape] : undefined;
  if (values === undefined) {
    throw new UsageError("invalidOption", `shape: ${String(shape)}; allowed are ${sessionShapes.join(", ")}`);
  }
  if (!(medianMs > 0 && medianMs < Number.POSITIVE_INFINITY)) {
    throw new UsageError("invalidOption", `medianMs: ${medianMs}; allowed is a number above 0`);
  }
  const quantiles = shares.map((share, i): Quantile => [share, values[i] as number]);
  return new Distribution(quantiles).scaled(medianMs);
}
