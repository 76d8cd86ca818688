/**
 * The bounded queue between a pump and the sockets: one slot for each datagram that dgram has not confirmed yet.
 *
 * A copy is made of every datagram, since `dgram` does not keep "borrowed until send returns": where the kernel has no
 * room, libuv reads the buffer later (and without a synchronous `lookup`, it always does). Copying 200 bytes costs about
 * a hundredth of the send. Slots are made when first needed, and each brings its own callback: a send allocates nothing
 * here.
 */
import type { SocketAddress } from "@kad/core";

/** Free slots that are kept for the next burst; a slot is as long as a datagram. */
const maxIdleSlots = 4;

/** One datagram on its way. */
export class SendSlot {
  readonly bytes: Uint8Array;
  to: SocketAddress | undefined;
  tag = 0;
  /** For `socket.send`. */
  readonly onDone: (error: Error | null) => void;

  constructor(bytes: number, onDone: (slot: SendSlot, error: Error | null) => void) {
    this.bytes = new Uint8Array(bytes);
    this.onDone = (error) => onDone(this, error);
  }
}

export class SendSlots {
  readonly limit: number;
  readonly #slotBytes: number;
  readonly #free: SendSlot[] = [];
  readonly #onFailure: (slot: SendSlot, error: Error) => void;
  readonly #onRoom: () => void;
  #made = 0;
  #isFull = false;
  readonly #waitingForIdle: (() => void)[] = [];

  /**
   * @param onFailure called with a slot whose datagram came to nothing; the slot is reused afterwards
   * @param onRoom called once half the slots are free again, after `take` found none
   */
  constructor(
    limit: number,
    slotBytes: number,
    onFailure: (slot: SendSlot, error: Error) => void,
    onRoom: () => void,
  ) {
    this.limit = limit;
    this.#slotBytes = slotBytes;
    this.#onFailure = onFailure;
    this.#onRoom = onRoom;
  }

  get used(): number {
    return this.#made - this.#free.length;
  }

  /** `undefined` when all are in use; `onRoom` will follow. */
  take(): SendSlot | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.limit) {
      this.#made++;
      return new SendSlot(this.#slotBytes, this.#release);
    }
    this.#isFull = true;
    return undefined;
  }

  /** Calls back, at once perhaps, when no datagram is on its way any more. */
  whenIdle(callback: () => void): void {
    if (this.used === 0) callback();
    else this.#waitingForIdle.push(callback);
  }

  readonly #release = (slot: SendSlot, error: Error | null): void => {
    if (error !== null && error !== undefined) this.#onFailure(slot, error);
    slot.to = undefined;
    if (this.#free.length < maxIdleSlots) this.#free.push(slot);
    else this.#made--;
    if (this.#isFull && this.used <= this.limit / 2) {
      this.#isFull = false;
      this.#onRoom();
    }
    if (this.used === 0) for (const callback of this.#waitingForIdle.splice(0)) callback();
  };
}
