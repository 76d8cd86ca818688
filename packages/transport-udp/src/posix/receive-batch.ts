/** What one `recvmmsg` brings, or as many `recvfrom`. Shared by all sockets of a transport, since a batch is handed on at once. */
import { sockaddrStride } from "@kad/native";
import { MessageSlots } from "./message-slots.ts";
import type { SocketCalls } from "./socket-calls.ts";

/** One system call for so many: twice as many gain 2 % more. */
const slots = 64;
/** More than any message has, so that longer ones are known by their length, cut off or not. */
const slotBytes = 2_048;

function newSlots({ native }: SocketCalls): MessageSlots {
  return new MessageSlots(native, slots, slotBytes, "the receive buffer");
}

export class ReceiveBatch {
  readonly #calls: SocketCalls;
  #slots: MessageSlots;

  constructor(calls: SocketCalls) {
    this.#calls = calls;
    this.#slots = newSlots(calls);
  }

  /** What the last `read` has brought. */
  get slots(): MessageSlots {
    return this.#slots;
  }

  /** How many one call reads at most. */
  get size(): number {
    return this.slots.count;
  }

  /** Reads up to `max` messages without waiting. Fewer than asked for: there are no more. Negative: the error's number. */
  read(fd: number, max: number): number {
    const count = Math.min(max, slots);
    if (this.#slots.block.isGone) {
      this.#slots.block.release();
      this.#slots = newSlots(this.#calls);
    }
    const { recvmmsg } = this.#calls;
    return recvmmsg === undefined ? this.#readEach(fd, count) : this.#readAll(fd, count, recvmmsg);
  }

  release(): void {
    this.slots.block.release();
  }

  #readAll(fd: number, count: number, recvmmsg: NonNullable<SocketCalls["recvmmsg"]>): number {
    const { slots } = this;
    for (let slot = 0; slot < count; slot++) slots.setAddressLength(slot, sockaddrStride);
    for (;;) {
      const read = recvmmsg(fd, slots.block.address, count, 0, 0);
      if (read >= 0) return read;
      const errno = this.#calls.native.errno();
      if (errno !== this.#calls.platform.eIntr) return -errno;
    }
  }

  /** Where a message after the first fails, those before it count: the next call meets the error again. */
  #readEach(fd: number, count: number): number {
    const { slots } = this;
    const { address } = slots.block;
    for (let slot = 0; slot < count; slot++) {
      slots.setAddressLength(0, sockaddrStride);
      const read = this.#calls.recvfrom(
        fd,
        address + slots.bytesAt(slot),
        slotBytes,
        0,
        address + slots.addressAt(slot),
        address + slots.addressLengthAt(0),
      );
      if (read >= 0) slots.setReceived(slot, read);
      else {
        const errno = this.#calls.native.errno();
        if (errno === this.#calls.platform.eIntr) slot--;
        else return slot > 0 ? slot : -errno;
      }
    }
    return count;
  }
}
