/** Handles of the made-up libuv. */
import type { UvHandle, UvHandleType, UvReceived } from "../uv-binding.ts";
import type { MemoryLoop } from "./memory-loop.ts";

/** UV_ECANCELED on Linux. */
const canceledCode = -125;

export class MemoryHandle<T extends UvHandleType = UvHandleType> implements UvHandle {
  readonly type: T;
  readonly loop: MemoryLoop;
  readonly address = 0;
  isReferenced = true;
  isClosing = false;
  onClose: (() => void) | undefined;

  constructor(type: T, loop: MemoryLoop) {
    this.type = type;
    this.loop = loop;
  }

  get isActive(): boolean {
    return false;
  }

  /** No callback but those of the end comes after this. */
  deactivate(): void {}

  /** Callbacks of the end, in their order. */
  lastCallbacks(): (() => void)[] {
    return this.onClose === undefined ? [] : [this.onClose];
  }
}

export class MemoryTimer extends MemoryHandle<"timer"> {
  dueAtMs = 0;
  repeatMs = 0;
  /** Of two that are due at the same time, the one that was started first fires first. */
  startNumber = 0;
  onEvent: (() => void) | undefined;

  override get isActive(): boolean {
    return this.onEvent !== undefined;
  }

  override deactivate(): void {
    this.onEvent = undefined;
  }
}

let phasesStarted = 0;

export class MemoryPhase extends MemoryHandle<"idle" | "prepare" | "check"> {
  onEvent: (() => void) | undefined;
  startNumber = 0;

  /** One that is started already keeps its place and its callback. */
  start(callback: () => void): void {
    if (this.isActive) return;
    this.onEvent = callback;
    this.startNumber = ++phasesStarted;
  }

  override get isActive(): boolean {
    return this.onEvent !== undefined;
  }

  override deactivate(): void {
    this.onEvent = undefined;
  }
}

export class MemoryAsync extends MemoryHandle<"async"> {
  onEvent: (() => void) | undefined;

  override get isActive(): boolean {
    return this.onEvent !== undefined;
  }

  override deactivate(): void {
    this.onEvent = undefined;
  }
}

export class MemoryPoll extends MemoryHandle<"poll"> {
  readonly fd: number;
  events = 0;
  onPoll: ((status: number, events: number) => void) | undefined;

  constructor(loop: MemoryLoop, fd: number) {
    super("poll", loop);
    this.fd = fd;
  }

  override get isActive(): boolean {
    return this.onPoll !== undefined;
  }

  override deactivate(): void {
    this.onPoll = undefined;
  }
}

export interface Datagram {
  readonly from: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface QueuedSend {
  readonly to: Uint8Array;
  readonly bytes: Uint8Array;
  readonly onSent: (status: number) => void;
}

export class MemoryUdp extends MemoryHandle<"udp"> {
  /** As the network knows it; `undefined` before it is bound. */
  local: Uint8Array | undefined;
  readonly inbox: Datagram[] = [];
  /** While the network takes nothing. */
  readonly sends: QueuedSend[] = [];
  /** Callbacks of sends that are over. */
  readonly completed: (() => void)[] = [];
  onReceive: UvReceived | undefined;

  override get isActive(): boolean {
    return this.onReceive !== undefined || this.sends.length > 0;
  }

  override deactivate(): void {
    this.onReceive = undefined;
  }

  /** What waits to be sent is over, and said to be, before the handle is closed. */
  override lastCallbacks(): (() => void)[] {
    const cancelled = this.sends.splice(0).map(
      ({ onSent }) =>
        () =>
          onSent(canceledCode),
    );
    return [...this.completed.splice(0), ...cancelled, ...super.lastCallbacks()];
  }
}
