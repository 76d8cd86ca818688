/**
 * libuv as this adapter sees it, with libuv's own names and rules (docs.libuv.org, 1.x), so that whoever knows the one knows
 * the other. `openUv` binds it to the real one; `MemoryUv` is one whose time and network are made up.
 *
 * Where C fills memory of the caller, a handle is returned here, or an error thrown; all else returns what libuv does: 0 or
 * more, or a negative error code, whose name `uv_err_name` tells. Callbacks run inside `uv_run` and nowhere else. What one throws does not
 * reach libuv: `uv_run` throws it once it is over.
 */

/** A loop. */
export interface UvLoop {
  /** Where it lies in memory; 0 where it does not. */
  readonly address: number;
  /** Inside `uv_run` of this binding. */
  readonly isRunning: boolean;
}

export type UvHandleType = "async" | "check" | "idle" | "poll" | "prepare" | "timer" | "udp";

/** A handle, from its `init` to its close callback. */
export interface UvHandle {
  readonly type: UvHandleType;
  readonly loop: UvLoop;
  /** Where it lies in memory, for native code and other threads; 0 where it does not. */
  readonly address: number;
}

export interface UvTimer extends UvHandle {
  readonly type: "timer";
}
/** Called once in each iteration: idle before prepare, prepare before the loop polls, check after it has. */
export interface UvPhase extends UvHandle {
  readonly type: "idle" | "prepare" | "check";
}
export interface UvAsync extends UvHandle {
  readonly type: "async";
}
export interface UvPoll extends UvHandle {
  readonly type: "poll";
}
export interface UvUdp extends UvHandle {
  readonly type: "udp";
}

/** `default`: until nothing is left alive, or `uv_stop`. `once`: polls once, and waits for that. `nowait`: polls once. */
export type UvRunMode = "default" | "once" | "nowait";

/** Bits of `uv_poll_start`. */
export const uvReadable = 1;
export const uvWritable = 2;

/** Bit of `uv_udp_bind`: an IPv6 socket that does not take IPv4. */
export const uvIpv6Only = 1;

/** What `uv_udp_recv_start` hands on. All that it is given is borrowed until it returns. */
export type UvReceived = (
  /** The length of `bytes`, or a negative error code. */
  nread: number,
  bytes: Uint8Array,
  /** `struct sockaddr_in` or `sockaddr_in6` of the sender. */
  from: Uint8Array,
  /** There was more of it, which is lost. */
  isPartial: boolean,
) => void;

export interface UvBinding {
  uv_version_string(): string;
  uv_err_name(code: number): string;

  /** `uv_loop_init`. @throws SystemError */
  uv_loop_init(): UvLoop;
  /** `UV_EBUSY` while handles are open, and while it runs. After 0 the loop is no more. */
  uv_loop_close(loop: UvLoop): number;
  /**
   * A loop that somebody else has made and runs: by its address in memory.
   * @throws UsageError `invalidArgument` for Node's own loop, which is not to be joined, and for what is no address
   */
  uv_loop_at(address: number): UvLoop;
  uv_loop_alive(loop: UvLoop): boolean;
  /**
   * More than 0: handles or requests are left.
   * @throws what callbacks threw, once it is over; several errors as an AggregateError
   */
  uv_run(loop: UvLoop, mode: UvRunMode): number;
  uv_stop(loop: UvLoop): void;
  /** Milliseconds, as of the start of this iteration. */
  uv_now(loop: UvLoop): number;
  uv_update_time(loop: UvLoop): void;

  uv_timer_init(loop: UvLoop): UvTimer;
  /** Delays count from `uv_now`. */
  uv_timer_start(timer: UvTimer, callback: () => void, timeoutMs: number, repeatMs: number): number;
  uv_timer_stop(timer: UvTimer): number;

  uv_phase_init(loop: UvLoop, type: UvPhase["type"]): UvPhase;
  uv_phase_start(phase: UvPhase, callback: () => void): number;
  uv_phase_stop(phase: UvPhase): number;

  uv_async_init(loop: UvLoop, callback: () => void): UvAsync;
  /** The only call that is allowed from other threads; several before the callback are one. */
  uv_async_send(async: UvAsync): number;

  /** What a descriptor is; `unknown` for a file, and for what is no descriptor any more. */
  uv_guess_handle(fd: number): "known" | "unknown";
  /** @throws SystemError for what is no descriptor that can be polled */
  uv_poll_init(loop: UvLoop, fd: number): UvPoll;
  /** Level-triggered; `status` is 0 or an error code, and then `events` is 0. A second call replaces the first. */
  uv_poll_start(poll: UvPoll, events: number, callback: (status: number, events: number) => void): number;
  uv_poll_stop(poll: UvPoll): number;

  uv_udp_init(loop: UvLoop): UvUdp;
  /** `address` is a `struct sockaddr`. */
  uv_udp_bind(udp: UvUdp, address: Uint8Array, flags: number): number;
  /** The port that it is bound to. @throws SystemError */
  uv_udp_getsockname(udp: UvUdp): number;
  uv_udp_recv_start(udp: UvUdp, callback: UvReceived): number;
  uv_udp_recv_stop(udp: UvUdp): number;
  /** How many bytes were sent, all of them; `UV_EAGAIN` where that would have to wait. The bytes are borrowed. */
  uv_udp_try_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array): number;
  /** The bytes are copied. `callback` gets 0 or an error code, `UV_ECANCELED` where the handle was closed before. */
  uv_udp_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array, callback: (status: number) => void): number;
  uv_send_buffer_size(udp: UvUdp, bytes: number): number;
  uv_recv_buffer_size(udp: UvUdp, bytes: number): number;

  /** `callback` comes in a later iteration, or later in this one; until then the handle's memory is libuv's. */
  uv_close(handle: UvHandle, callback?: () => void): void;
  uv_is_active(handle: UvHandle): boolean;
  uv_is_closing(handle: UvHandle): boolean;
  /** Handles that are active and referenced keep `uv_run` going; they are referenced at first. */
  uv_ref(handle: UvHandle): void;
  uv_unref(handle: UvHandle): void;
  uv_has_ref(handle: UvHandle): boolean;
}
