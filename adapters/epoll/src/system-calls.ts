/** The system's calls for waiting, declared once for the process, and the numbers that go with them. */
import { type Native, type NativeFunction, openNative } from "@kad/native";

const feature = "@kad/loop-epoll";
const instead = "Use @kad/loop-node in Node's own loop, or @kad/loop-poll, which needs nothing native.";

export interface WaitCalls {
  readonly native: Native;
  readonly poll: NativeFunction;
  readonly read: NativeFunction;
  readonly write: NativeFunction;
  readonly close: NativeFunction;
  readonly pipe: NativeFunction;
  readonly fcntl: (fd: number, command: number, type: "int", value: number) => number;
}

/** Linux alone has these. */
export interface EpollCalls extends WaitCalls {
  readonly epollCreate1: NativeFunction;
  readonly epollCtl: NativeFunction;
  readonly epollWait: NativeFunction;
  readonly timerfdCreate: NativeFunction;
  readonly timerfdSettime: NativeFunction;
  readonly eventfd: NativeFunction;
}

let waitCallsOnce: WaitCalls | undefined;
let epollCallsOnce: EpollCalls | undefined;

/** @throws UnavailableError, which says what to install or to use instead */
export function waitCalls(): WaitCalls {
  waitCallsOnce ??= declareWaitCalls(open(["linux", "darwin"]));
  return waitCallsOnce;
}

/** @throws UnavailableError, which says what to install or to use instead */
export function epollCalls(): EpollCalls {
  epollCallsOnce ??= declareEpollCalls(open(["linux"]));
  return epollCallsOnce;
}

function open(platforms: readonly NodeJS.Platform[]): Native {
  const library = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  return openNative({ feature, instead, platforms, libraries: [library, null] });
}

function declareWaitCalls(native: Native): WaitCalls {
  const count = process.platform === "darwin" ? "uint32_t" : "unsigned long"; // nfds_t
  return {
    native,
    poll: native.func(`int poll(uintptr_t entries, ${count} length, int timeout)`),
    read: native.func("intptr_t read(int fd, uintptr_t into, size_t length)"),
    write: native.func("intptr_t write(int fd, uintptr_t bytes, size_t length)"),
    close: native.func("int close(int fd)"),
    pipe: native.func("int pipe(uintptr_t descriptors)"),
    fcntl: native.func("int fcntl(int fd, int command, ...)") as unknown as WaitCalls["fcntl"],
  };
}

function declareEpollCalls(native: Native): EpollCalls {
  return {
    ...declareWaitCalls(native),
    epollCreate1: native.func("int epoll_create1(int flags)"),
    epollCtl: native.func("int epoll_ctl(int set, int operation, int fd, uintptr_t event)"),
    epollWait: native.func("int epoll_wait(int set, uintptr_t events, int length, int timeout)"),
    timerfdCreate: native.func("int timerfd_create(int clock, int flags)"),
    timerfdSettime: native.func("int timerfd_settime(int fd, int flags, uintptr_t value, uintptr_t before)"),
    eventfd: native.func("int eventfd(uint32_t count, int flags)"),
  };
}

/** Linux: O_NONBLOCK | O_CLOEXEC, which epoll, timerfd and eventfd have under names of their own. */
export const nonBlocking = 0x800;
export const closeOnExec = 0x8_0000;

export const eIntr = 4;
