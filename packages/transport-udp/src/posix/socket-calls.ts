/** The system's calls for sockets, declared once for the process. */
import {
  type Native,
  type NativeFunction,
  openNative,
  type SockaddrLayout,
  sockaddrLayout,
  UnavailableError,
} from "@kad/native";
import { type Platform, platforms } from "./platform.ts";

export interface SocketCalls {
  readonly native: Native;
  readonly platform: Platform;
  readonly layout: SockaddrLayout;
  readonly socket: NativeFunction;
  readonly bind: NativeFunction;
  readonly getsockname: NativeFunction;
  readonly setsockopt: NativeFunction;
  readonly close: NativeFunction;
  readonly fcntl: (fd: number, command: number, type: "int", value: number) => number;
  readonly recvfrom: NativeFunction;
  readonly sendto: NativeFunction;
  /** `undefined` where there are no batches. */
  readonly recvmmsg: NativeFunction | undefined;
  readonly sendmmsg: NativeFunction | undefined;
}

const feature = "@kad/transport-udp/posix";
const instead = "Use udp() of @kad/transport-udp, on node:dgram, which needs Node's own loop.";

let calls: SocketCalls | undefined;

/** @throws UnavailableError, which says what to install or to use instead */
export function socketCalls(): SocketCalls {
  calls ??= declareCalls();
  return calls;
}

function declareCalls(): SocketCalls {
  const platform = platforms[process.platform];
  const native = openNative({
    feature,
    instead,
    platforms: Object.keys(platforms) as NodeJS.Platform[],
    libraries: platform?.libraries ?? [],
  });
  if (platform === undefined)
    throw new UnavailableError("unsupportedPlatform", `${feature}: no Linux, no macOS. ${instead}`);
  const func = (declaration: string): NativeFunction => native.func(declaration);
  return {
    native,
    platform,
    layout: sockaddrLayout(),
    socket: func("int socket(int domain, int type, int protocol)"),
    bind: func("int bind(int fd, uintptr_t address, uint32_t length)"),
    getsockname: func("int getsockname(int fd, uintptr_t address, uintptr_t length)"),
    setsockopt: func("int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)"),
    close: func("int close(int fd)"),
    fcntl: func("int fcntl(int fd, int command, ...)") as unknown as SocketCalls["fcntl"],
    recvfrom: func(
      "intptr_t recvfrom(int fd, uintptr_t into, size_t length, int flags, uintptr_t address, uintptr_t addressLength)",
    ),
    sendto: func(
      "intptr_t sendto(int fd, uintptr_t bytes, size_t length, int flags, uintptr_t address, uint32_t addressLength)",
    ),
    recvmmsg: platform.hasBatches
      ? func("int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)")
      : undefined,
    sendmmsg: platform.hasBatches
      ? func("int sendmmsg(int fd, uintptr_t messages, uint32_t count, int flags)")
      : undefined,
  };
}
