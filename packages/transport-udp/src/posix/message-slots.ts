/**
 * The memory of a batch of datagrams: `count` messages, each with a header, an address and room for its bytes.
 *
 *     struct mmsghdr (64 bytes)   name 8 | name length 4 (8) | iov 8 | iov count 8 | control 8 | control length 8 | flags 4 (8) | length 4 (8)
 *     struct iovec (16)           base 8 | length 8
 *
 * on 64-bit Linux. Where the system has no batches, the headers are unused and each slot takes a call of its own.
 */
import { type Native, type NativeBlock, sockaddrStride } from "@kad/native";

const headerBytes = 64;
const vectorBytes = 16;
const nameLengthAt = 8;
const vectorAt = 16;
const vectorCountAt = 24;
const lengthAt = 56;

export class MessageSlots {
  readonly count: number;
  /** Room for the bytes of each. */
  readonly slotBytes: number;
  readonly block: NativeBlock;
  readonly #vectorsAt: number;
  readonly #addressesAt: number;
  readonly #bytesAt: number;
  /** One for each slot, made anew when a message of another length comes: most are as long as the one before. */
  readonly #views: Uint8Array[];

  constructor(native: Native, count: number, slotBytes: number, owner: string) {
    this.count = count;
    this.slotBytes = slotBytes;
    this.#vectorsAt = count * headerBytes;
    this.#addressesAt = this.#vectorsAt + count * vectorBytes;
    this.#bytesAt = this.#addressesAt + count * sockaddrStride;
    const block = native.allocate(this.#bytesAt + count * slotBytes, owner);
    this.block = block;
    const { address } = block;
    for (let slot = 0; slot < count; slot++) {
      const header = slot * headerBytes;
      const vector = this.#vectorsAt + slot * vectorBytes;
      block.setPointer(header, address + this.addressAt(slot));
      block.setPointer(header + vectorAt, address + vector);
      block.u32[(header + vectorCountAt) / 4] = 1;
      block.setPointer(vector, address + this.bytesAt(slot));
      block.u32[vector / 4 + 2] = slotBytes;
    }
    this.#views = Array.from({ length: count }, () => new Uint8Array(0));
  }

  /** Offsets in the block. */
  headerAt(slot: number): number {
    return slot * headerBytes;
  }

  addressAt(slot: number): number {
    return this.#addressesAt + slot * sockaddrStride;
  }

  bytesAt(slot: number): number {
    return this.#bytesAt + slot * this.slotBytes;
  }

  addressLengthAt(slot: number): number {
    return slot * headerBytes + nameLengthAt;
  }

  setAddressLength(slot: number, length: number): void {
    this.block.u32[this.addressLengthAt(slot) / 4] = length;
  }

  /** How many bytes of the slot are to be sent. */
  setLength(slot: number, length: number): void {
    this.block.u32[(this.#vectorsAt + slot * vectorBytes) / 4 + 2] = length;
  }

  lengthToSend(slot: number): number {
    return this.block.u32[(this.#vectorsAt + slot * vectorBytes) / 4 + 2] as number;
  }

  /** How many bytes were received into the slot: at most as many as it holds, however long the message was. */
  received(slot: number): number {
    return this.block.u32[(slot * headerBytes + lengthAt) / 4] as number;
  }

  /** Where a call of its own has filled the slot. */
  setReceived(slot: number, length: number): void {
    this.block.u32[(slot * headerBytes + lengthAt) / 4] = length;
  }

  /** The slot's first `length` bytes; the same view for as long as the length stays the same. */
  view(slot: number, length: number): Uint8Array {
    const known = this.#views[slot] as Uint8Array;
    if (known.length === length) return known;
    const at = this.bytesAt(slot);
    const view = this.block.bytes.subarray(at, at + length);
    this.#views[slot] = view;
    return view;
  }
}
