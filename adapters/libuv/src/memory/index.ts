/** `@kad/loop-libuv/memory`: a libuv whose time and network are made up, for tests. */
export { MemoryUv } from "./memory-uv.ts";
