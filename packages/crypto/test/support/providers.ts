import { nobleProvider } from "../../src/noble-provider.ts";
import { nativeProvider } from "../../src/node/native-provider.ts";
import { derKeys, jwkKeys } from "../../src/node/okp-keys.ts";
import type { CryptoProvider } from "../../src/provider.ts";

export const noble: CryptoProvider = nobleProvider();
export const native: CryptoProvider = nativeProvider(jwkKeys);

/** Every implementation that must give the same bytes. */
export const providers: readonly (readonly [name: string, provider: CryptoProvider])[] = [
  ["noble", noble],
  ["node with JWK keys", native],
  ["node with DER keys", nativeProvider(derKeys)],
];
