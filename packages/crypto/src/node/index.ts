/**
 * `@kad/crypto/node`: the primitives of `node:crypto`, many times faster than those in JavaScript.
 */
export { nodeProvider } from "./native-provider.ts";
