/**
 * poll(2), where there is no epoll: the list of descriptors is handed to the system in every wait, and the timer is the
 * wait's own timeout. The bell is a pipe.
 */
import type { InstantMs, PolledSocket } from "@kad/core";
import type { NativeBlock } from "@kad/native";
import { eIntr, type WaitCalls, waitCalls } from "./system-calls.ts";
import { type Readiness, ReadyList, type Waiter } from "./waiter.ts";

/** `struct pollfd`: descriptor 4, events 2, what has come of them 2. */
const entryBytes = 8;
const [readable, writable, failed, hungUp, invalid] = [0x1, 0x4, 0x8, 0x10, 0x20] as const;

const setStatusFlags = 4; // F_SETFL
const nonBlockingFlag = process.platform === "darwin" ? 4 : 0x800;
/** The longest timeout that poll takes. */
const maxTimeoutMs = 2 ** 31 - 1;

/** Bytes of the pipe that are read at once, at the start of the block. */
const pipeBytes = 64;

export class PollWaiter implements Waiter {
  readonly fd = undefined;
  readonly bellFd: number;
  readonly #heardFd: number;
  readonly #calls: WaitCalls;
  readonly #nowMs: () => InstantMs;
  #block: NativeBlock;
  #sockets: readonly PolledSocket[] = [];
  readonly #ready = new ReadyList();
  #timerAtMs: InstantMs = Number.POSITIVE_INFINITY;
  #isRung = false;
  #isClosed = false;

  /** @throws UnavailableError; SystemError where the system has no descriptor left. Nothing stays open then */
  constructor(nowMs: () => InstantMs) {
    const calls = waitCalls();
    this.#calls = calls;
    this.#nowMs = nowMs;
    this.#block = this.#allocate(4);
    try {
      calls.native.checked("pipe", calls.pipe(this.#block.address));
    } catch (error) {
      this.#block.release();
      throw error;
    }
    const [heard, bell] = this.#block.u32;
    this.#heardFd = heard as number;
    this.bellFd = bell as number;
    for (const fd of [this.#heardFd, this.bellFd]) calls.fcntl(fd, setStatusFlags, "int", nonBlockingFlag);
  }

  watch(sockets: readonly PolledSocket[]): void {
    this.#sockets = sockets;
  }

  setTimer(atMs: InstantMs): void {
    this.#timerAtMs = atMs;
  }

  ring(): void {
    if (this.#isClosed || this.#isRung) return;
    this.#isRung = true;
    this.#calls.write(this.bellFd, this.#block.address, 1);
  }

  wait(timeoutMs: number | undefined): Readiness {
    const ready = this.#ready;
    ready.clear();
    if (this.#isClosed) return ready;
    const sockets = this.#sockets;
    this.#list(sockets);
    const { address } = this.#block;
    const result = this.#calls.poll(address + pipeBytes, sockets.length + 1, this.#timeout(timeoutMs));
    if (result < 0) ready.interrupted = this.#isInterrupted();
    else this.#take(sockets);
    if (this.#timerAtMs <= this.#nowMs()) {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      ready.timerFired = true;
    }
    return ready;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of [this.#heardFd, this.bellFd]) this.#calls.close(fd);
    this.#sockets = [];
    this.#block.release();
  }

  #allocate(sockets: number): NativeBlock {
    return this.#calls.native.allocate(pipeBytes + (sockets + 1) * entryBytes, "the list for poll(2)");
  }

  #list(sockets: readonly PolledSocket[]): void {
    if (this.#block.size < pipeBytes + (sockets.length + 1) * entryBytes) {
      this.#block.release();
      this.#block = this.#allocate(sockets.length * 2);
    }
    const { u32 } = this.#block;
    let at = pipeBytes / 4;
    u32[at++] = this.#heardFd;
    u32[at++] = readable;
    for (const { fd, wantsWrite } of sockets) {
      u32[at++] = fd;
      u32[at++] = wantsWrite ? readable | writable : readable;
    }
  }

  /** Rounded up: a wait that ends a fraction too early would be followed by many that do not wait at all. */
  #timeout(timeoutMs: number | undefined): number {
    const untilTimerMs = Math.max(0, Math.ceil(this.#timerAtMs - this.#nowMs()));
    const shortest = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, untilTimerMs);
    return shortest === Number.POSITIVE_INFINITY ? -1 : Math.min(shortest, maxTimeoutMs);
  }

  #take(sockets: readonly PolledSocket[]): void {
    const ready = this.#ready;
    if (this.#came(0) !== 0) {
      this.#isRung = false;
      ready.rung = this.#calls.read(this.#heardFd, this.#block.address, pipeBytes) > 0;
    }
    for (const [index, socket] of sockets.entries()) {
      const came = this.#came(index + 1);
      if ((came & writable) !== 0) ready.writable.push(socket);
      if ((came & (readable | failed | hungUp | invalid)) !== 0) ready.readable.push(socket);
    }
  }

  #came(entry: number): number {
    return (this.#block.u32[(pipeBytes + entry * entryBytes) / 4 + 1] as number) >>> 16;
  }

  #isInterrupted(): boolean {
    const error = this.#calls.native.lastError("poll");
    if (error.errno !== eIntr) throw error;
    return true;
  }
}
