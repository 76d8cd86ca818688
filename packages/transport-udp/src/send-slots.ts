/**
 * The bounded queue between a pump and the sockets: one slot for each datagram that dgram has not confirmed yet.
 *
 * A copy is made of every datagram, since `dgram` does not keep "borrowed until send returns": where the kernel has no
 * room, libuv reads the buffer later (and without a synchronous `lookup`, it always does). Copying 200 bytes costs about
 * a hundredth of the send. Slots are made when first needed, and each brings its own callback: a send allocates nothing
 * here. Those that are free wait for any transport of the process: an idle one holds none.
 */
import type { SocketAddress } from "@kad/core";
import { maxDatagramBytes } from "./udp-options.ts";

/** Free slots that are kept for the next burst, of all transports together; a slot is as long as a datagram. */
const maxIdleSlots = 16;
const idle: SendSlot[] = [];

/** One datagram on its way. */
export class SendSlot {
  readonly bytes: Uint8Array = new Uint8Array(maxDatagramBytes);
  to: SocketAddress | undefined = undefined;
  tag = 0;
  /** Who has taken it. @internal */
  user: SendSlots | undefined = undefined;
  /** For `socket.send`. */
  readonly onDone = (error: Error | null): void => this.user?.release(this, error);
}

export class SendSlots {
  readonly limit: number;
  readonly #onFailure: (slot: SendSlot, error: Error) => void;
  readonly #onRoom: () => void;
  #used = 0;
  #isFull = false;
  #waitingForIdle: readonly (() => void)[] = nobody;

  /**
   * @param limit most that may be in use
   * @param onFailure called with a slot whose datagram came to nothing; the slot is reused afterwards
   * @param onRoom called once half the slots are free again, after `take` found none
   */
  constructor(limit: number, onFailure: (slot: SendSlot, error: Error) => void, onRoom: () => void) {
    this.limit = limit;
    this.#onFailure = onFailure;
    this.#onRoom = onRoom;
  }

  get used(): number {
    return this.#used;
  }

  /** `undefined` when as many are in use as may be; `onRoom` will follow. */
  take(): SendSlot | undefined {
    if (this.#used >= this.limit) {
      this.#isFull = true;
      return undefined;
    }
    this.#used++;
    const slot = idle.pop() ?? new SendSlot();
    slot.user = this;
    return slot;
  }

  /** Calls back, at once perhaps, when no datagram is on its way any more. */
  whenIdle(callback: () => void): void {
    if (this.#used === 0) callback();
    else this.#waitingForIdle = [...this.#waitingForIdle, callback];
  }

  /** @internal its datagram has left, or failed */
  release(slot: SendSlot, error: Error | null): void {
    if (error !== null && error !== undefined) this.#onFailure(slot, error);
    slot.to = undefined;
    slot.user = undefined;
    this.#used--;
    if (idle.length < maxIdleSlots) idle.push(slot);
    if (this.#isFull && this.#used <= this.limit / 2) {
      this.#isFull = false;
      this.#onRoom();
    }
    if (this.#used > 0) return;
    const waiting = this.#waitingForIdle;
    this.#waitingForIdle = nobody;
    for (const callback of waiting) callback();
  }
}

const nobody: readonly (() => void)[] = [];
