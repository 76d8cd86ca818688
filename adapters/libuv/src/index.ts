/** `@kad/loop-libuv`: a node in a libuv loop, one that you have or one of its own. */
export { type OpenUvOptions, openUv } from "./native-uv.ts";
export {
  type UvAsync,
  type UvBinding,
  type UvHandle,
  type UvHandleType,
  type UvLoop,
  type UvPhase,
  type UvPoll,
  type UvReceived,
  type UvRunMode,
  type UvTimer,
  type UvUdp,
  uvIpv6Only,
  uvReadable,
  uvWritable,
} from "./uv-binding.ts";
export { UvHandles } from "./uv-handles.ts";
export { UvNode, type UvNodeOptions, uvNode } from "./uv-node.ts";
export { type UvTransport, type UvUdpKind, type UvUdpOptions, UvUdpTransport, uvUdp } from "./uv-udp.ts";
