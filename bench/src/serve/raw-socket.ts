/**
 * UDP by the system's own calls and nothing else: what a batch of datagrams costs at the least. The load comes from such a
 * socket, and the bare echo is one.
 */
import { type Native, type NativeBlock, type NativeFunction, openNative } from "@kad/native";

/** Messages in one call. */
export const batch = 64;
const headerBytes = 64;
const vectorBytes = 16;
const addressBytes = 16;
const [afInet, sockDgram, nonBlocking, readable] = [2, 2, 0x800, 1];

/** A socket bound to any free port of loopback, which waits with poll(2). */
export class RawSocket {
  readonly native: Native;
  readonly fd: number;
  readonly port: number;
  readonly #scratch: NativeBlock;
  readonly #poll: NativeFunction;
  readonly #recvmmsg: NativeFunction;
  readonly #sendmmsg: NativeFunction;

  constructor() {
    const native = openNative({
      feature: "this benchmark",
      instead: "Run it on Linux.",
      platforms: ["linux"],
      libraries: ["libc.so.6", null],
    });
    this.native = native;
    this.#scratch = native.allocate(64, "a raw socket");
    this.#poll = native.func("int poll(uintptr_t entries, unsigned long n, int timeout)");
    this.#recvmmsg = native.func(
      "int recvmmsg(int fd, uintptr_t headers, uint32_t n, int flags, uintptr_t timeout)",
    );
    this.#sendmmsg = native.func("int sendmmsg(int fd, uintptr_t headers, uint32_t n, int flags)");
    const socket = native.func("int socket(int domain, int type, int protocol)");
    const bind = native.func("int bind(int fd, uintptr_t address, uint32_t length)");
    const getsockname = native.func("int getsockname(int fd, uintptr_t address, uintptr_t length)");
    const { address, bytes, u32 } = this.#scratch;
    this.fd = native.checked("socket", socket(afInet, sockDgram | nonBlocking, 0));
    bytes.set(loopback(0));
    native.checked("bind", bind(this.fd, address, addressBytes));
    u32[8] = addressBytes;
    native.checked("getsockname", getsockname(this.fd, address, address + 32));
    this.port = ((bytes[2] as number) << 8) | (bytes[3] as number);
  }

  /** Reads up to a batch into messages from `first` on. */
  receive(messages: Messages, first: number): number {
    messages.makeRoom(first, batch);
    return Math.max(0, this.#recvmmsg(this.fd, messages.addressOf(first), batch, 0, 0));
  }

  /** How many the kernel has taken. */
  send(messages: Messages, first: number, count: number): number {
    return this.#sendmmsg(this.fd, messages.addressOf(first), count, 0);
  }

  /** `true`: there is something to read. */
  wait(ms: number): boolean {
    const { u32, address } = this.#scratch;
    u32[12] = this.fd;
    u32[13] = readable;
    return this.#poll(address + 48, 1, ms) > 0;
  }
}

/** Headers and buffers of so many messages, as `recvmmsg` and `sendmmsg` take them. */
export class Messages {
  readonly #block: NativeBlock;
  readonly #vectorsAt: number;
  readonly #addressesAt: number;
  readonly #bytesAt: number;
  readonly #slotBytes: number;

  constructor(native: Native, count: number, slotBytes: number) {
    this.#slotBytes = slotBytes;
    this.#vectorsAt = count * headerBytes;
    this.#addressesAt = this.#vectorsAt + count * vectorBytes;
    this.#bytesAt = this.#addressesAt + count * addressBytes;
    this.#block = native.allocate(this.#bytesAt + count * slotBytes, "messages");
    const { address, u32 } = this.#block;
    for (let slot = 0; slot < count; slot++) {
      const [header, vector] = [slot * headerBytes, this.#vectorsAt + slot * vectorBytes];
      this.#block.setPointer(header, address + this.#addressesAt + slot * addressBytes);
      this.#block.setPointer(header + 16, address + vector);
      u32[(header + 24) / 4] = 1;
      this.#block.setPointer(vector, address + this.#bytesAt + slot * slotBytes);
    }
    this.makeRoom(0, count);
  }

  addressOf(slot: number): number {
    return this.#block.address + slot * headerBytes;
  }

  /** Slots that may be read into. */
  makeRoom(first: number, count: number): void {
    for (let slot = first; slot < first + count; slot++) this.#setLengths(slot, this.#slotBytes);
  }

  /** How long the message is that was read into a slot. */
  received(slot: number): number {
    return this.#block.u32[(slot * headerBytes + 56) / 4] as number;
  }

  /** A slot that was read from somebody is sent back there with so many bytes. */
  answer(slot: number, bytes: number): void {
    this.#block.u32[(this.#vectorsAt + slot * vectorBytes + 8) / 4] = bytes;
  }

  /** A slot is sent to a port of loopback, as it is. */
  fill(slot: number, message: Uint8Array, port: number): void {
    this.#block.bytes.set(message, this.#bytesAt + slot * this.#slotBytes);
    this.#block.bytes.set(loopback(port), this.#addressesAt + slot * addressBytes);
    this.#setLengths(slot, message.length);
  }

  #setLengths(slot: number, bytes: number): void {
    this.#block.u32[(slot * headerBytes + 8) / 4] = addressBytes;
    this.#block.u32[(this.#vectorsAt + slot * vectorBytes + 8) / 4] = bytes;
  }
}

function loopback(port: number): number[] {
  return [afInet, 0, port >> 8, port & 0xff, 127, 0, 0, 1];
}
