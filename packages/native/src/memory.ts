/**
 * Memory that native code knows the address of. It belongs to JavaScript and is held until `release`, so native code
 * never sees memory that was freed; what it sees after a release is poison.
 */
import { UsageError } from "@kad/core";
import { dropBlock, holdBlock, poison } from "./ledger.ts";

export class NativeBlock {
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly size: number;
  /** For messages. */
  readonly owner: string;
  readonly #address: number;

  /**
   * Zeroed, `size` bytes rounded up to a multiple of 8.
   * @param addressOf koffi's
   */
  constructor(size: number, owner: string, addressOf: (value: ArrayBuffer) => bigint) {
    this.size = Math.ceil(size / 8) * 8;
    this.owner = owner;
    const buffer = new ArrayBuffer(this.size);
    this.bytes = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.#address = Number(addressOf(buffer)); // below 2^53 wherever processes live
    holdBlock(this);
  }

  /**
   * Where it lies. Asked for before every call that uses it.
   * @throws UsageError `invalidArgument` when somebody has transferred it to another thread, and so freed it here
   */
  get address(): number {
    if (this.isGone) {
      throw new UsageError(
        "invalidArgument",
        `${this.owner}: its bytes were transferred away; borrowed bytes may be copied only`,
      );
    }
    return this.#address;
  }

  /** Somebody has transferred it to another thread: native code may not be given it any more. */
  get isGone(): boolean {
    return this.bytes.length === 0;
  }

  /** Writes a pointer or a size of 8 bytes. */
  setPointer(at: number, value: number): void {
    this.u32[at / 4] = value >>> 0;
    this.u32[at / 4 + 1] = Math.floor(value / 2 ** 32);
  }

  getPointer(at: number): number {
    return (this.u32[at / 4] as number) + (this.u32[at / 4 + 1] as number) * 2 ** 32;
  }

  /** Native code has no more use for it. A second call does nothing. */
  release(): void {
    if (dropBlock(this) && !this.isGone) this.bytes.fill(poison);
  }
}
