/** libuv's functions, declared once for each library, and the numbers of its headers. */
import { type Native, type NativeFunction, openNative, UnavailableError } from "@kad/native";

const feature = "@kad/loop-libuv";
const instead = "Use @kad/loop-node in Node's own loop, or @kad/loop-poll, which needs nothing native.";

const declarations = {
  uv_loop_size: "size_t uv_loop_size()",
  uv_handle_size: "size_t uv_handle_size(int type)",
  uv_req_size: "size_t uv_req_size(int type)",
  uv_default_loop: "uintptr_t uv_default_loop()",
  uv_loop_init: "int uv_loop_init(uintptr_t loop)",
  uv_loop_close: "int uv_loop_close(uintptr_t loop)",
  uv_loop_alive: "int uv_loop_alive(uintptr_t loop)",
  uv_run: "int uv_run(uintptr_t loop, int mode)",
  uv_stop: "void uv_stop(uintptr_t loop)",
  uv_now: "uint64_t uv_now(uintptr_t loop)",
  uv_update_time: "void uv_update_time(uintptr_t loop)",
  uv_timer_init: "int uv_timer_init(uintptr_t loop, uintptr_t timer)",
  uv_timer_start: "int uv_timer_start(uintptr_t timer, void *callback, uint64_t timeout, uint64_t repeat)",
  uv_timer_stop: "int uv_timer_stop(uintptr_t timer)",
  uv_idle_init: "int uv_idle_init(uintptr_t loop, uintptr_t idle)",
  uv_idle_start: "int uv_idle_start(uintptr_t idle, void *callback)",
  uv_idle_stop: "int uv_idle_stop(uintptr_t idle)",
  uv_prepare_init: "int uv_prepare_init(uintptr_t loop, uintptr_t prepare)",
  uv_prepare_start: "int uv_prepare_start(uintptr_t prepare, void *callback)",
  uv_prepare_stop: "int uv_prepare_stop(uintptr_t prepare)",
  uv_check_init: "int uv_check_init(uintptr_t loop, uintptr_t check)",
  uv_check_start: "int uv_check_start(uintptr_t check, void *callback)",
  uv_check_stop: "int uv_check_stop(uintptr_t check)",
  uv_async_init: "int uv_async_init(uintptr_t loop, uintptr_t async, void *callback)",
  uv_async_send: "int uv_async_send(uintptr_t async)",
  uv_guess_handle: "int uv_guess_handle(int fd)",
  uv_poll_init: "int uv_poll_init(uintptr_t loop, uintptr_t poll, int fd)",
  uv_poll_start: "int uv_poll_start(uintptr_t poll, int events, void *callback)",
  uv_poll_stop: "int uv_poll_stop(uintptr_t poll)",
  uv_udp_init_ex: "int uv_udp_init_ex(uintptr_t loop, uintptr_t udp, uint32_t flags)",
  uv_udp_bind: "int uv_udp_bind(uintptr_t udp, uintptr_t address, uint32_t flags)",
  uv_udp_getsockname: "int uv_udp_getsockname(uintptr_t udp, uintptr_t address, uintptr_t length)",
  uv_udp_recv_start: "int uv_udp_recv_start(uintptr_t udp, void *allocate, void *receive)",
  uv_udp_recv_stop: "int uv_udp_recv_stop(uintptr_t udp)",
  uv_udp_try_send: "int uv_udp_try_send(uintptr_t udp, uintptr_t buffers, uint32_t count, uintptr_t address)",
  uv_udp_send:
    "int uv_udp_send(uintptr_t request, uintptr_t udp, uintptr_t buffers, uint32_t count, uintptr_t address, void *callback)",
  uv_send_buffer_size: "int uv_send_buffer_size(uintptr_t handle, uintptr_t value)",
  uv_recv_buffer_size: "int uv_recv_buffer_size(uintptr_t handle, uintptr_t value)",
  uv_close: "void uv_close(uintptr_t handle, void *callback)",
  uv_is_active: "int uv_is_active(uintptr_t handle)",
  uv_is_closing: "int uv_is_closing(uintptr_t handle)",
  uv_ref: "void uv_ref(uintptr_t handle)",
  uv_unref: "void uv_unref(uintptr_t handle)",
  uv_has_ref: "int uv_has_ref(uintptr_t handle)",
} as const;

const texts = {
  uv_version_string: "const char *uv_version_string()",
  uv_err_name: "const char *uv_err_name(int code)",
} as const;

export type UvLibrary = Readonly<Record<keyof typeof declarations, NativeFunction>> & {
  readonly native: Native;
  readonly uv_version_string: () => string;
  readonly uv_err_name: (code: number) => string;
  /** `memcpy`, the quickest way to read and write what libuv points to. */
  readonly copy: (to: number, from: number, bytes: number) => number;
};

/** `uv_handle_type` and `uv_req_type`, the same in all of 1.x. */
export const handleTypes = { async: 1, check: 2, idle: 6, poll: 8, prepare: 9, timer: 13, udp: 15 } as const;
export const udpSendRequest = 5;

/** UV_UDP_RECVMMSG: reads up to 20 datagrams in one system call, each into 64 KiB of its own. */
export const udpReadsBatches = 256;
/** Flags of a receive callback: UV_UDP_PARTIAL. */
export const udpIsPartial = 2;

/** `uv_buf_t` is turned round on Windows, so as to be a WSABUF. */
export const bufferLayout: { readonly baseAt: number; readonly lengthAt: number } =
  process.platform === "win32" ? { baseAt: 8, lengthAt: 0 } : { baseAt: 0, lengthAt: 8 };

const runModes = { default: 0, once: 1, nowait: 2 } as const;

export function modeNumber(mode: keyof typeof runModes): number {
  return runModes[mode];
}

const libraries = new Map<string, UvLibrary>();

/**
 * @param path of a shared library; without it the libuv inside Node's own executable
 * @throws UnavailableError, which says what to install or to use instead
 */
export function uvLibrary(path: string | undefined): UvLibrary {
  const known = libraries.get(path ?? "");
  if (known !== undefined) return known;
  const library = declare(path);
  libraries.set(path ?? "", library);
  return library;
}

function declare(path: string | undefined): UvLibrary {
  const { bun, deno } = process.versions as { readonly bun?: string; readonly deno?: string };
  if (path === undefined && (bun ?? deno) !== undefined) {
    const here = bun === undefined ? "Deno" : "Bun";
    throw new UnavailableError(
      "missingSymbol",
      `${feature}: ${here} does not offer the functions of libuv. Give the path of a shared library, such as libuv.so.1 of Debian's libuv1. ${instead}`,
    );
  }
  const platforms: readonly NodeJS.Platform[] = ["linux", "darwin", "win32"];
  const native = openNative({ feature, instead, platforms, libraries: [path ?? null] });
  const libc = { linux: "libc.so.6", darwin: "libSystem.B.dylib", win32: "ucrtbase.dll" }[
    process.platform as "linux"
  ];
  const memory = openNative({ feature, instead, platforms, libraries: [libc, null] });
  const functions = Object.entries(declarations).map(([name, declaration]) => [
    name,
    native.func(declaration),
  ]);
  const named = Object.entries(texts).map(([name, declaration]) => [name, native.func(declaration)]);
  return {
    ...(Object.fromEntries([...functions, ...named]) as UvLibrary),
    native,
    copy: memory.func("uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t bytes)") as UvLibrary["copy"],
  };
}
