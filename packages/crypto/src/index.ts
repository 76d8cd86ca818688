/**
 * `@kad/crypto`: who a node is, and how it speaks to others so that nobody on the path reads, forges or replays it.
 */
export { nobleProvider } from "./noble-provider.ts";
export type { CryptoProvider, Ed25519KeyPair, RandomSource, X25519KeyPair } from "./provider.ts";
