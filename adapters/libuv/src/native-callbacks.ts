/**
 * What libuv calls: one registered function of each kind serves all handles of a library, which are told apart by their
 * addresses. What a callback throws is kept until `uv_run` is over.
 */
import { NativeCallback } from "@kad/native";
import { type NativeHandle, ReceiveMemory, type SendRequest } from "./native-handles.ts";
import type { UvHandle } from "./uv-binding.ts";
import { type UvLibrary, udpIsPartial } from "./uv-library.ts";

/** Errors kept until `uv_run` is over. */
const maxErrors = 100;

const nothing = new Uint8Array(0);

interface Registered {
  /** Of timers, asyncs, idles, prepares and checks, which have the same shape. */
  readonly event: NativeCallback;
  readonly close: NativeCallback;
  readonly poll: NativeCallback;
  readonly allocate: NativeCallback;
  readonly receive: NativeCallback;
  readonly sent: NativeCallback;
}

export class NativeCallbacks {
  readonly #uv: UvLibrary;
  readonly #handles = new Map<number, NativeHandle>();
  readonly #requests = new Map<number, SendRequest>();
  #registered: Registered | undefined;
  #errors: unknown[] = [];

  constructor(uv: UvLibrary) {
    this.#uv = uv;
  }

  /** Pointers to what libuv calls, registered when they are first needed. */
  get pointers(): Readonly<Record<keyof Registered, NativeCallback>> {
    this.#registered ??= this.#register();
    return this.#registered;
  }

  /** No handle is open, and no send under way. */
  get isIdle(): boolean {
    return this.#handles.size === 0 && this.#requests.size === 0;
  }

  add(handle: NativeHandle): void {
    this.#handles.set(handle.address, handle);
  }

  /** The handle, up to its close callback; `undefined`: it is closed, or another binding's. */
  find(handle: UvHandle): NativeHandle | undefined {
    const known = this.#handles.get(handle.address);
    return (known as UvHandle | undefined) === handle ? known : undefined;
  }

  /** Until its callback comes. */
  addRequest(request: SendRequest): void {
    this.#requests.set(request.block.address, request);
  }

  /** One that libuv has not taken. */
  dropRequest({ block }: SendRequest): void {
    this.#requests.delete(block.address);
    block.release();
  }

  /** Only while {@link isIdle}. */
  unregister(): void {
    for (const callback of Object.values(this.#registered ?? {})) (callback as NativeCallback).unregister();
    this.#registered = undefined;
  }

  throwErrors(): void {
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} errors in callbacks of one uv_run`);
  }

  #register(): Registered {
    const { koffi } = this.#uv.native;
    const onError = (error: unknown): void => {
      if (this.#errors.length < maxErrors) this.#errors.push(error);
    };
    const register = (parameters: readonly string[], call: (...args: never[]) => void): NativeCallback =>
      new NativeCallback({ koffi, type: koffi.proto("void", parameters), call, onError });
    const pointer = "uintptr_t";
    return {
      event: register([pointer], (at: number) => this.#handles.get(at)?.onEvent?.()),
      close: register([pointer], (at: number) => this.#onClosed(at)),
      poll: register([pointer, "int", "int"], (at: number, status: number, events: number) =>
        this.#handles.get(at)?.onPoll?.(status, events),
      ),
      allocate: register([pointer, "size_t", pointer], (at: number, _size: number, buffer: number) =>
        this.#onAllocate(at, buffer),
      ),
      receive: register([pointer, "intptr_t", pointer, pointer, "uint32_t"], this.#onReceived),
      sent: register([pointer, "int"], (at: number, status: number) => this.#onSent(at, status)),
    };
  }

  #onClosed(at: number): void {
    const handle = this.#handles.get(at);
    if (handle === undefined) return;
    this.#handles.delete(at);
    handle.block.release();
    handle.receiving?.block.release();
    handle.onClose?.();
  }

  #onAllocate(at: number, buffer: number): void {
    const handle = this.#handles.get(at);
    if (handle?.receiving === undefined) return;
    if (handle.receiving.block.isGone) {
      handle.receiving.block.release();
      handle.receiving = new ReceiveMemory(this.#uv);
    }
    this.#uv.copy(buffer, handle.receiving.block.address, 16);
  }

  /** Each burst ends with a call without an address, which says nothing. */
  readonly #onReceived = (at: number, nread: number, buffer: number, from: number, flags: number): void => {
    const handle = this.#handles.get(at);
    const { onReceive, receiving } = handle ?? {};
    if (onReceive === undefined || receiving === undefined) return;
    if (handle?.isClosing === true) return; // libuv hands on the rest of a batch even then
    if (nread < 0) {
      onReceive(nread, nothing, nothing, false);
      return;
    }
    if (from === 0) return;
    if (receiving.block.isGone) return; // transferred away in the middle of a burst
    const bytes = receiving.take(this.#uv, buffer, from, nread);
    onReceive(nread, bytes, receiving.from, (flags & udpIsPartial) !== 0);
  };

  #onSent(at: number, status: number): void {
    const request = this.#requests.get(at);
    if (request === undefined) return;
    this.dropRequest(request);
    request.onSent(status);
  }
}
