/**
 * The real libuv, through koffi: the one inside Node's executable, or a shared library.
 *
 * libuv knows handles by their addresses, and so does this: one registered callback of each kind serves all handles, which are told
 * apart by a map. A handle's memory is held until its close callback, and no call with a handle that is closed reaches libuv.
 */
import { getSystemErrorMap } from "node:util";
import { UsageError } from "@kad/core";
import { type NativeBlock, SystemError, sockaddrStride } from "@kad/native";
import { NativeCallbacks } from "./native-callbacks.ts";
import { NativeHandle, NativeLoop, ReceiveMemory, type SendRequest } from "./native-handles.ts";
import type {
  UvAsync,
  UvBinding,
  UvHandle,
  UvHandleType,
  UvLoop,
  UvPhase,
  UvPoll,
  UvReceived,
  UvRunMode,
  UvTimer,
  UvUdp,
} from "./uv-binding.ts";
import {
  bufferLayout,
  handleTypes,
  modeNumber,
  type UvLibrary,
  udpReadsBatches,
  udpSendRequest,
  uvLibrary,
} from "./uv-library.ts";

export interface OpenUvOptions {
  /** A shared library of libuv 1.41 or newer: `libuv.so.1`, of Debian's package libuv1. Absent: the one inside Node's executable. */
  readonly library?: string;
}

/** Layout of {@link NativeUv}'s scratch: a sockaddr, a buffer's description, two numbers, and from there on a message to send. */
const addressAt = 0;
const bufferAt = sockaddrStride;
const numberAt = bufferAt + 16;
const bytesAt = numberAt + 16;
const firstSendBytes = 2_048;

/**
 * Binds the real libuv.
 * @throws UnavailableError where koffi or the library is missing, or the platform is another one: it says what to install or to use instead
 */
export function openUv(options: OpenUvOptions = {}): UvBinding {
  return new NativeUv(uvLibrary(options.library), options.library === undefined);
}

class NativeUv implements UvBinding {
  readonly #uv: UvLibrary;
  readonly #isNodesOwn: boolean;
  readonly #callbacks: NativeCallbacks;
  /** Those made here. */
  readonly #loops = new Map<number, NativeBlock>();
  readonly #closedLoops = new WeakSet<UvLoop>();
  #scratch: NativeBlock | undefined;
  #depth = 0;

  constructor(uv: UvLibrary, isNodesOwn: boolean) {
    this.#uv = uv;
    this.#callbacks = new NativeCallbacks(uv);
    this.#isNodesOwn = isNodesOwn;
  }

  uv_version_string(): string {
    return this.#uv.uv_version_string();
  }

  uv_err_name(code: number): string {
    return this.#uv.uv_err_name(code);
  }

  uv_loop_init(): UvLoop {
    const block = this.#uv.native.allocate(this.#uv.uv_loop_size(), "a uv_loop_t");
    const result = this.#uv.uv_loop_init(block.address);
    if (result < 0) {
      block.release();
      throw this.#errorOf("uv_loop_init", result);
    }
    this.#loops.set(block.address, block);
    return new NativeLoop(block.address);
  }

  uv_loop_close(loop: UvLoop): number {
    const address = this.#addressOf(loop);
    const result = loop.isRunning ? busyCode : this.#uv.uv_loop_close(address);
    if (result < 0) return result;
    this.#loops.get(address)?.release();
    this.#loops.delete(address);
    this.#closedLoops.add(loop);
    this.#releaseUnused();
    return result;
  }

  uv_loop_at(address: number): UvLoop {
    if (!Number.isSafeInteger(address) || address <= 0) {
      throw new UsageError(
        "invalidArgument",
        `address: ${String(address)}; allowed is where a uv_loop_t lies, as a number`,
      );
    }
    if (this.#isNodesOwn && address === this.#uv.uv_default_loop()) {
      throw new UsageError(
        "invalidArgument",
        "address: that is Node's own loop, which Node runs itself; take @kad/loop-node there, or make a loop with uv_loop_init",
      );
    }
    return new NativeLoop(address);
  }

  uv_loop_alive(loop: UvLoop): boolean {
    return this.#uv.uv_loop_alive(this.#addressOf(loop)) !== 0;
  }

  uv_run(loop: UvLoop, mode: UvRunMode): number {
    const address = this.#addressOf(loop);
    const own = loop as NativeLoop;
    this.#depth++;
    own.depth++;
    let left: number;
    try {
      left = this.#uv.uv_run(address, modeNumber(mode));
    } finally {
      this.#depth--;
      own.depth--;
    }
    this.#releaseUnused();
    if (this.#depth === 0) this.#callbacks.throwErrors();
    return left;
  }

  uv_stop(loop: UvLoop): void {
    this.#uv.uv_stop(this.#addressOf(loop));
  }

  uv_now(loop: UvLoop): number {
    return Number(this.#uv.uv_now(this.#addressOf(loop)));
  }

  uv_update_time(loop: UvLoop): void {
    this.#uv.uv_update_time(this.#addressOf(loop));
  }

  uv_timer_init(loop: UvLoop): UvTimer {
    return this.#init("timer", loop, (at, handle) => this.#uv.uv_timer_init(at, handle));
  }

  uv_timer_start(timer: UvTimer, callback: () => void, timeoutMs: number, repeatMs: number): number {
    const handle = this.#open(timer);
    if (handle === undefined) return closedCode;
    handle.onEvent = callback;
    return this.#uv.uv_timer_start(
      handle.address,
      this.#callbacks.pointers.event.pointer,
      timeoutMs,
      repeatMs,
    );
  }

  uv_timer_stop(timer: UvTimer): number {
    return this.#call(timer, (at) => this.#uv.uv_timer_stop(at));
  }

  uv_phase_init(loop: UvLoop, type: UvPhase["type"]): UvPhase {
    return this.#init(type, loop, (at, handle) => this.#uv[`uv_${type}_init`](at, handle));
  }

  uv_phase_start(phase: UvPhase, callback: () => void): number {
    const handle = this.#open(phase);
    if (handle === undefined) return closedCode;
    if (this.uv_is_active(handle)) return 0; // libuv keeps the first callback
    handle.onEvent = callback;
    return this.#uv[`uv_${phase.type}_start`](handle.address, this.#callbacks.pointers.event.pointer);
  }

  uv_phase_stop(phase: UvPhase): number {
    return this.#call(phase, (at) => this.#uv[`uv_${phase.type}_stop`](at));
  }

  uv_async_init(loop: UvLoop, callback: () => void): UvAsync {
    const { pointer } = this.#callbacks.pointers.event;
    const handle = this.#init("async", loop, (at, async) => this.#uv.uv_async_init(at, async, pointer));
    handle.onEvent = callback;
    return handle;
  }

  uv_async_send(async: UvAsync): number {
    return this.#call(async, (at) => this.#uv.uv_async_send(at));
  }

  uv_guess_handle(fd: number): "known" | "unknown" {
    return this.#uv.uv_guess_handle(fd) === 0 ? "unknown" : "known"; // UV_UNKNOWN_HANDLE
  }

  uv_poll_init(loop: UvLoop, fd: number): UvPoll {
    return this.#init("poll", loop, (at, handle) => this.#uv.uv_poll_init(at, handle, fd));
  }

  uv_poll_start(poll: UvPoll, events: number, callback: (status: number, events: number) => void): number {
    const handle = this.#open(poll);
    if (handle === undefined) return closedCode;
    handle.onPoll = callback;
    return this.#uv.uv_poll_start(handle.address, events, this.#callbacks.pointers.poll.pointer);
  }

  uv_poll_stop(poll: UvPoll): number {
    return this.#call(poll, (at) => this.#uv.uv_poll_stop(at));
  }

  uv_udp_init(loop: UvLoop): UvUdp {
    return this.#init("udp", loop, (at, handle) => this.#uv.uv_udp_init_ex(at, handle, udpReadsBatches));
  }

  uv_udp_bind(udp: UvUdp, address: Uint8Array, flags: number): number {
    return this.#call(udp, (at) => this.#uv.uv_udp_bind(at, this.#writeAddress(address), flags));
  }

  uv_udp_getsockname(udp: UvUdp): number {
    const scratch = this.#scratchFor(0);
    scratch.u32[numberAt / 4] = sockaddrStride;
    const { address, bytes } = scratch;
    const result = this.#call(udp, (at) =>
      this.#uv.uv_udp_getsockname(at, address + addressAt, address + numberAt),
    );
    if (result < 0) throw this.#errorOf("uv_udp_getsockname", result);
    return ((bytes[addressAt + 2] as number) << 8) | (bytes[addressAt + 3] as number);
  }

  uv_udp_recv_start(udp: UvUdp, callback: UvReceived): number {
    const handle = this.#open(udp);
    if (handle === undefined) return closedCode;
    handle.onReceive = callback;
    handle.receiving ??= new ReceiveMemory(this.#uv);
    const { allocate, receive } = this.#callbacks.pointers;
    return this.#uv.uv_udp_recv_start(handle.address, allocate.pointer, receive.pointer);
  }

  uv_udp_recv_stop(udp: UvUdp): number {
    return this.#call(udp, (at) => this.#uv.uv_udp_recv_stop(at));
  }

  uv_udp_try_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array): number {
    const handle = this.#open(udp);
    if (handle === undefined) return closedCode;
    const scratch = this.#scratchFor(bytes.length);
    const { address } = scratch;
    scratch.bytes.set(bytes, bytesAt);
    scratch.bytes.set(to, addressAt);
    scratch.setPointer(bufferAt + bufferLayout.baseAt, address + bytesAt);
    scratch.setPointer(bufferAt + bufferLayout.lengthAt, bytes.length);
    return this.#uv.uv_udp_try_send(handle.address, address + bufferAt, 1, address + addressAt);
  }

  uv_udp_send(udp: UvUdp, bytes: Uint8Array, to: Uint8Array, callback: (status: number) => void): number {
    const handle = this.#open(udp);
    if (handle === undefined) return closedCode;
    const requestBytes = Math.ceil(this.#uv.uv_req_size(udpSendRequest) / 8) * 8;
    const block = this.#uv.native.allocate(requestBytes + bytesAt + bytes.length, "a uv_udp_send_t");
    const { address } = block;
    block.bytes.set(bytes, requestBytes + bytesAt);
    block.bytes.set(to, requestBytes + addressAt);
    block.setPointer(requestBytes + bufferAt + bufferLayout.baseAt, address + requestBytes + bytesAt);
    block.setPointer(requestBytes + bufferAt + bufferLayout.lengthAt, bytes.length);
    const request: SendRequest = { block, onSent: callback };
    this.#callbacks.addRequest(request);
    const result = this.#uv.uv_udp_send(
      address,
      handle.address,
      address + requestBytes + bufferAt,
      1,
      address + requestBytes + addressAt,
      this.#callbacks.pointers.sent.pointer,
    );
    if (result < 0) this.#callbacks.dropRequest(request);
    return result;
  }

  uv_send_buffer_size(udp: UvUdp, bytes: number): number {
    return this.#call(udp, (at) => this.#uv.uv_send_buffer_size(at, this.#writeNumber(bytes)));
  }

  uv_recv_buffer_size(udp: UvUdp, bytes: number): number {
    return this.#call(udp, (at) => this.#uv.uv_recv_buffer_size(at, this.#writeNumber(bytes)));
  }

  uv_close(handle: UvHandle, callback?: () => void): void {
    const open = this.#open(handle);
    if (open === undefined) return;
    open.isClosing = true;
    open.onClose = callback;
    this.#uv.uv_close(open.address, this.#callbacks.pointers.close.pointer);
  }

  uv_is_active(handle: UvHandle): boolean {
    return this.#isKnown(handle) && this.#uv.uv_is_active(handle.address) !== 0;
  }

  uv_is_closing(handle: UvHandle): boolean {
    return !this.#isKnown(handle) || this.#uv.uv_is_closing(handle.address) !== 0;
  }

  uv_ref(handle: UvHandle): void {
    if (this.#isKnown(handle)) this.#uv.uv_ref(handle.address);
  }

  uv_unref(handle: UvHandle): void {
    if (this.#isKnown(handle)) this.#uv.uv_unref(handle.address);
  }

  uv_has_ref(handle: UvHandle): boolean {
    return this.#isKnown(handle) && this.#uv.uv_has_ref(handle.address) !== 0;
  }

  /** Memory is held from before `init` until the close callback. */
  #init<T extends UvHandleType>(
    type: T,
    loop: UvLoop,
    init: (loop: number, handle: number) => number,
  ): NativeHandle<T> {
    const at = this.#addressOf(loop);
    const block = this.#uv.native.allocate(this.#uv.uv_handle_size(handleTypes[type]), `a uv_${type}_t`);
    const result = init(at, block.address);
    if (result < 0) {
      block.release();
      throw this.#errorOf(`uv_${type}_init`, result);
    }
    const handle = new NativeHandle(type, loop, block);
    this.#callbacks.add(handle as NativeHandle);
    return handle;
  }

  #isKnown(handle: UvHandle): boolean {
    return this.#callbacks.find(handle) !== undefined;
  }

  #open(handle: UvHandle): NativeHandle | undefined {
    const known = this.#callbacks.find(handle);
    return known?.isClosing === false ? known : undefined;
  }

  #call(handle: UvHandle, call: (address: number) => number): number {
    const open = this.#open(handle);
    return open === undefined ? closedCode : call(open.address);
  }

  #addressOf(loop: UvLoop): number {
    if (this.#closedLoops.has(loop)) throw new UsageError("closed", "loop: it is closed");
    if (loop instanceof NativeLoop) return loop.address;
    throw new UsageError(
      "invalidArgument",
      "loop: it was made by another binding; allowed are loops of this one",
    );
  }

  #scratchFor(bytes: number): NativeBlock {
    const known = this.#scratch;
    if (known !== undefined && !known.isGone && known.size >= bytesAt + bytes) return known;
    known?.release();
    const scratch = this.#uv.native.allocate(
      bytesAt + Math.max(bytes, firstSendBytes),
      "the scratch of libuv",
    );
    this.#scratch = scratch;
    return scratch;
  }

  #writeAddress(address: Uint8Array): number {
    const scratch = this.#scratchFor(0);
    scratch.bytes.set(address, addressAt);
    return scratch.address + addressAt;
  }

  #writeNumber(value: number): number {
    const scratch = this.#scratchFor(0);
    scratch.u32[numberAt / 4] = value;
    return scratch.address + numberAt;
  }

  /** With the last loop goes what they had in common; the next one brings it back. */
  #releaseUnused(): void {
    if (this.#depth > 0 || this.#loops.size > 0 || !this.#callbacks.isIdle) return;
    this.#callbacks.unregister();
    this.#scratch?.release();
    this.#scratch = undefined;
  }

  #errorOf(call: string, code: number): SystemError {
    return new SystemError(call, -code, this.uv_err_name(code));
  }
}

/** libuv's numbers differ from one system to the next. */
function codeOf(name: string): number {
  for (const [code, [known]] of getSystemErrorMap()) if (known === name) return code;
  return -1;
}

/** What calls return with a handle that is closing or closed. */
const closedCode = codeOf("EINVAL");
const busyCode = codeOf("EBUSY");
