/** `@kad/native`: what packages share that call the system's own functions. Not for applications. */
export { guarded, NativeCallback, type NativeCallbackOptions } from "./callbacks.ts";
export { SystemError, UnavailableError, type UnavailableErrorCode } from "./errors.ts";
export type { Koffi, KoffiFunction, KoffiLibrary, KoffiPollHandle, KoffiType } from "./koffi.ts";
export { type NativeStats, nativeStats, type Quarantine, quarantine } from "./ledger.ts";
export { NativeBlock } from "./memory.ts";
export { Native, type NativeFunction, type NativeOptions, openNative } from "./native.ts";
export {
  afInet,
  readSockaddr,
  readSockaddrPort,
  type SockaddrLayout,
  sockaddrBytes,
  sockaddrLayout,
  sockaddrStride,
  type UdpKind,
  writeSockaddr,
} from "./sockaddr.ts";
