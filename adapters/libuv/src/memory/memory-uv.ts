/**
 * A libuv without a system: the same calls and the same order of callbacks, in time that is a number and on a network that is a
 * map. The same calls give the same callbacks in every run. Loops of one `MemoryUv` share its clock and its network.
 *
 * Beside libuv's calls there are some by which a test says what happens in that world: `nowMs`, `advance`, `descriptor`, `setReady`,
 * `setSendable`.
 */
import { UsageError } from "@kad/core";
import { SystemError } from "@kad/native";
import {
  type UvAsync,
  type UvBinding,
  type UvHandle,
  type UvLoop,
  type UvPhase,
  type UvPoll,
  type UvReceived,
  type UvRunMode,
  type UvTimer,
  type UvUdp,
  uvReadable,
  uvWritable,
} from "../uv-binding.ts";
import {
  MemoryAsync,
  MemoryHandle,
  MemoryPhase,
  MemoryPoll,
  MemoryTimer,
  MemoryUdp,
} from "./memory-handle.ts";
import { MemoryLoop, type MemoryWorld } from "./memory-loop.ts";
import { MemoryNetwork, portOf } from "./memory-network.ts";

/** Linux's numbers. */
const codes = {
  EBADF: -9,
  EAGAIN: -11,
  EBUSY: -16,
  EEXIST: -17,
  EINVAL: -22,
  EADDRINUSE: -98,
  ECANCELED: -125,
} as const;

/** Each datagram that is read takes so long, or traffic would stand still in time. */
const datagramMs = 0.01;
/** One call reads no more, so that others have their turn. */
const maxReads = 32;

export class MemoryUv implements UvBinding {
  /** Milliseconds of the clock that all loops read; fractions are allowed. */
  nowMs = 1_000;
  readonly #world: MemoryWorld = {
    nowMs: () => this.nowMs,
    waitUntil: (atMs) => {
      this.nowMs = Math.max(this.nowMs, atMs);
    },
    poll: (loop) => this.#poll(loop),
    call: (callback) => this.#call(callback),
  };
  readonly #network = new MemoryNetwork((udp) => this.#ready.add(udp));
  /** What each made-up descriptor is ready for. */
  readonly #descriptors = new Map<number, number>();
  readonly #polled = new Map<number, MemoryPoll>();
  /** In the order in which they have become ready. */
  readonly #ready = new Set<MemoryHandle>();
  #nextDescriptor = 3;
  #depth = 0;
  #errors: unknown[] = [];

  // What a test says.

  /** Time passes in which no loop runs. */
  advance(ms: number): void {
    this.nowMs += ms;
  }

  /** A descriptor for `uv_poll_init`, ready for nothing. */
  descriptor(): number {
    const fd = this.#nextDescriptor++;
    this.#descriptors.set(fd, 0);
    return fd;
  }

  /** What a descriptor is ready for from now on: bits of `uv_poll_start`. `undefined`: it was closed. */
  setReady(fd: number, events: number | undefined): void {
    if (events === undefined) this.#descriptors.delete(fd);
    else this.#descriptors.set(fd, events);
    const poll = this.#polled.get(fd);
    if (poll !== undefined) this.#updatePoll(poll);
  }

  /** Whether the network takes datagrams; while it does not, `uv_udp_try_send` says `UV_EAGAIN` and `uv_udp_send` waits. */
  setSendable(isSendable: boolean): void {
    this.#network.setSendable(isSendable);
  }

  // libuv.

  uv_version_string(): string {
    return "1.48.0-memory";
  }

  uv_err_name(code: number): string {
    return Object.entries(codes).find(([, known]) => known === code)?.[0] ?? `Unknown system error ${code}`;
  }

  uv_loop_init(): UvLoop {
    return new MemoryLoop(this.#world);
  }

  uv_loop_close(loop: UvLoop): number {
    const own = this.#loop(loop);
    if (own.handles.size > 0 || own.pending.size > 0 || own.isRunning) return codes.EBUSY;
    own.isClosed = true;
    return 0;
  }

  uv_loop_at(address: number): UvLoop {
    throw new UsageError("invalidArgument", `address: ${address}; loops of a MemoryUv have none`);
  }

  uv_loop_alive(loop: UvLoop): boolean {
    return this.#loop(loop).isAlive;
  }

  uv_run(loop: UvLoop, mode: UvRunMode): number {
    const own = this.#loop(loop);
    this.#depth++;
    let left: number;
    try {
      left = own.run(mode);
    } finally {
      this.#depth--;
    }
    this.#throwErrors();
    return left;
  }

  uv_stop(loop: UvLoop): void {
    this.#loop(loop).isStopped = true;
  }

  uv_now(loop: UvLoop): number {
    return this.#loop(loop).nowMs;
  }

  uv_update_time(loop: UvLoop): void {
    this.#loop(loop).updateTime();
  }

  uv_timer_init(loop: UvLoop): UvTimer {
    return this.#init(new MemoryTimer("timer", this.#loop(loop)));
  }

  uv_timer_start(timer: UvTimer, callback: () => void, timeoutMs: number, repeatMs: number): number {
    const own = this.#open(timer, MemoryTimer);
    if (own === undefined) return codes.EINVAL;
    own.onEvent = callback;
    own.loop.startTimer(own, timeoutMs, repeatMs);
    return 0;
  }

  uv_timer_stop(timer: UvTimer): number {
    return this.#stop(timer, MemoryTimer);
  }

  uv_phase_init(loop: UvLoop, type: UvPhase["type"]): UvPhase {
    return this.#init(new MemoryPhase(type, this.#loop(loop)));
  }

  uv_phase_start(phase: UvPhase, callback: () => void): number {
    const own = this.#open(phase, MemoryPhase);
    if (own === undefined) return codes.EINVAL;
    own.start(callback);
    return 0;
  }

  uv_phase_stop(phase: UvPhase): number {
    return this.#stop(phase, MemoryPhase);
  }

  uv_async_init(loop: UvLoop, callback: () => void): UvAsync {
    const async = this.#init(new MemoryAsync("async", this.#loop(loop)));
    async.onEvent = callback;
    return async;
  }

  uv_async_send(async: UvAsync): number {
    const own = this.#open(async, MemoryAsync);
    if (own === undefined) return codes.EINVAL;
    this.#ready.add(own);
    return 0;
  }

  uv_guess_handle(fd: number): "known" | "unknown" {
    return this.#descriptors.has(fd) ? "known" : "unknown";
  }

  uv_poll_init(loop: UvLoop, fd: number): UvPoll {
    const own = this.#loop(loop);
    if (!this.#descriptors.has(fd)) throw this.#errorOf("uv_poll_init", codes.EBADF);
    if (this.#polled.has(fd)) throw this.#errorOf("uv_poll_init", codes.EEXIST);
    const poll = this.#init(new MemoryPoll(own, fd));
    this.#polled.set(fd, poll);
    return poll;
  }

  uv_poll_start(poll: UvPoll, events: number, callback: (status: number, events: number) => void): number {
    const own = this.#open(poll, MemoryPoll);
    if (own === undefined) return codes.EINVAL;
    own.events = events;
    own.onPoll = callback;
    this.#updatePoll(own);
    return 0;
  }

  uv_poll_stop(poll: UvPoll): number {
    return this.#stop(poll, MemoryPoll);
  }

  uv_udp_init(loop: UvLoop): UvUdp {
    return this.#init(new MemoryUdp("udp", this.#loop(loop)));
  }

  uv_udp_bind(udp: UvUdp, address: Uint8Array, _flags: number): number {
    const own = this.#open(udp, MemoryUdp);
    if (own === undefined || own.local !== undefined) return codes.EINVAL;
    return this.#network.bind(own, address) ? 0 : codes.EADDRINUSE;
  }

  uv_udp_getsockname(udp: UvUdp): number {
    const own = this.#open(udp, MemoryUdp);
    if (own?.local === undefined) throw this.#errorOf("uv_udp_getsockname", codes.EBADF);
    return portOf(own.local);
  }

  uv_udp_recv_start(udp: UvUdp, callback: UvReceived): number {
    const own = this.#open(udp, MemoryUdp);
    if (own === undefined) return codes.EINVAL;
    own.onReceive = callback;
    if (own.inbox.length > 0) this.#ready.add(own);
    return 0;
  }

  uv_udp_recv_stop(udp: UvUdp): number {
    return this.#stop(udp, MemoryUdp);
  }

  uv_udp_try_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array): number {
    const own = this.#open(udp, MemoryUdp);
    if (own === undefined) return codes.EINVAL;
    if (!this.#network.isSendable || own.sends.length > 0) return codes.EAGAIN;
    this.#network.carry(own, bytes, to);
    return bytes.length;
  }

  uv_udp_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array, callback: (status: number) => void): number {
    const own = this.#open(udp, MemoryUdp);
    if (own === undefined) return codes.EINVAL;
    own.sends.push({ bytes: Uint8Array.from(bytes), to: Uint8Array.from(to), onSent: callback });
    if (this.#network.isSendable) this.#sendQueued(own);
    return 0;
  }

  uv_send_buffer_size(udp: UvUdp, _bytes: number): number {
    return this.#open(udp, MemoryUdp) === undefined ? codes.EINVAL : 0;
  }

  uv_recv_buffer_size(udp: UvUdp, _bytes: number): number {
    return this.#open(udp, MemoryUdp) === undefined ? codes.EINVAL : 0;
  }

  uv_close(handle: UvHandle, callback?: () => void): void {
    const own = this.#open(handle, MemoryHandle);
    if (own === undefined) return;
    own.isClosing = true;
    own.deactivate();
    own.onClose = callback;
    this.#ready.delete(own);
    if (own instanceof MemoryPoll) this.#polled.delete(own.fd);
    if (own instanceof MemoryUdp) {
      own.loop.pending.delete(own);
      this.#network.leave(own);
    }
    own.loop.closing.unshift(own);
  }

  uv_is_active(handle: UvHandle): boolean {
    return this.#open(handle, MemoryHandle)?.isActive ?? false;
  }

  uv_is_closing(handle: UvHandle): boolean {
    return this.#open(handle, MemoryHandle) === undefined;
  }

  uv_ref(handle: UvHandle): void {
    this.#own(handle).isReferenced = true;
  }

  uv_unref(handle: UvHandle): void {
    this.#own(handle).isReferenced = false;
  }

  uv_has_ref(handle: UvHandle): boolean {
    return this.#own(handle).isReferenced;
  }

  #poll(loop: MemoryLoop): boolean {
    const ready = [...this.#ready].filter((handle) => handle.loop === loop);
    for (const handle of ready) this.#serve(handle);
    return ready.length > 0;
  }

  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#errors.push(error);
    }
  }

  /** Who is still ready afterwards has to wait for the others first. */
  #serve(handle: MemoryHandle): void {
    if (!this.#ready.delete(handle)) return; // closed or stopped by one before
    if (handle instanceof MemoryAsync && handle.onEvent !== undefined) this.#call(handle.onEvent);
    if (handle instanceof MemoryPoll) this.#servePoll(handle);
    if (handle instanceof MemoryUdp) this.#serveUdp(handle);
  }

  #servePoll(poll: MemoryPoll): void {
    const events = (this.#descriptors.get(poll.fd) ?? 0) & poll.events;
    const { onPoll } = poll;
    if (onPoll === undefined || events === 0) return;
    this.#call(() => onPoll(0, events));
    this.#updatePoll(poll);
  }

  #updatePoll(poll: MemoryPoll): void {
    const events = (this.#descriptors.get(poll.fd) ?? 0) & poll.events & (uvReadable | uvWritable);
    if (poll.onPoll !== undefined && events !== 0) this.#ready.add(poll);
    else this.#ready.delete(poll);
  }

  #serveUdp(udp: MemoryUdp): void {
    if (this.#network.isSendable) this.#sendQueued(udp);
    for (let reads = 0; reads < maxReads; reads++) {
      const { onReceive } = udp;
      const datagram = onReceive === undefined ? undefined : udp.inbox.shift();
      if (onReceive === undefined || datagram === undefined) return;
      this.nowMs += datagramMs;
      this.#call(() => onReceive(datagram.bytes.length, datagram.bytes, datagram.from, false));
    }
    if (udp.onReceive !== undefined && udp.inbox.length > 0) this.#ready.add(udp);
  }

  #sendQueued(udp: MemoryUdp): void {
    for (const { bytes, to, onSent } of udp.sends.splice(0)) {
      this.#network.carry(udp, bytes, to);
      udp.completed.push(() => onSent(0));
      udp.loop.pending.add(udp);
    }
  }

  #init<H extends MemoryHandle>(handle: H): H {
    handle.loop.handles.add(handle);
    return handle;
  }

  #loop(loop: UvLoop): MemoryLoop {
    if (!(loop instanceof MemoryLoop)) {
      throw new UsageError(
        "invalidArgument",
        "loop: it was made by another binding; allowed are loops of this one",
      );
    }
    if (loop.isClosed) throw new UsageError("closed", "loop: it is closed");
    return loop;
  }

  #own(handle: UvHandle): MemoryHandle {
    if (handle instanceof MemoryHandle) return handle;
    throw new UsageError(
      "invalidArgument",
      "handle: it was made by another binding; allowed are handles of this one",
    );
  }

  /** `undefined`: closing or closed. */
  #open<H extends MemoryHandle>(handle: UvHandle, type: abstract new (...args: never[]) => H): H | undefined {
    const own = this.#own(handle);
    return own instanceof type && !own.isClosing ? own : undefined;
  }

  #stop<H extends MemoryHandle>(handle: UvHandle, type: abstract new (...args: never[]) => H): number {
    const own = this.#open(handle, type);
    if (own === undefined) return codes.EINVAL;
    own.deactivate();
    this.#ready.delete(own);
    return 0;
  }

  #throwErrors(): void {
    if (this.#depth > 0) return;
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} errors in callbacks of one uv_run`);
  }

  #errorOf(call: string, code: number): SystemError {
    return new SystemError(call, -code, this.uv_err_name(code));
  }
}
