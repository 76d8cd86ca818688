/**
 * `@kad/crypto/node`: the primitives of `node:crypto`, many times faster than those in JavaScript, and secrets in files.
 */
export {
  loadIdentity,
  loadNetworkKey,
  loadOrCreateIdentity,
  saveIdentity,
  saveNetworkKey,
} from "./identity-file.ts";
export { nodeProvider } from "./native-provider.ts";
export { SecretFileError, type SecretFileErrorCode } from "./secret-file.ts";
