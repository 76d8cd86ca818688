/** Loops and handles of the real libuv, and the memory that is theirs. */
import { type NativeBlock, sockaddrBytes, sockaddrStride } from "@kad/native";
import type { UvHandle, UvHandleType, UvLoop, UvReceived } from "./uv-binding.ts";
import { bufferLayout, type UvLibrary } from "./uv-library.ts";

/** One datagram each, and so many in one system call. */
const receiveChunkBytes = 65_536;
const receiveChunks = 8;

export class NativeLoop implements UvLoop {
  readonly address: number;
  depth = 0;

  constructor(address: number) {
    this.address = address;
  }

  get isRunning(): boolean {
    return this.depth > 0;
  }
}

export class NativeHandle<T extends UvHandleType = UvHandleType> implements UvHandle {
  readonly type: T;
  readonly loop: UvLoop;
  readonly address: number;
  readonly block: NativeBlock;
  isClosing = false;
  onEvent: (() => void) | undefined;
  onPoll: ((status: number, events: number) => void) | undefined;
  onReceive: UvReceived | undefined;
  onClose: (() => void) | undefined;
  receiving: ReceiveMemory | undefined;

  constructor(type: T, loop: UvLoop, block: NativeBlock) {
    this.type = type;
    this.loop = loop;
    this.block = block;
    this.address = block.address;
  }
}

/**
 * Where datagrams of one handle are received: what libuv is told of the buffer, what it tells of each datagram (the sender
 * and the place), and then the buffer.
 */
export class ReceiveMemory {
  readonly block: NativeBlock;
  /** The sender of the last one. */
  readonly from: Uint8Array;
  readonly #views: Uint8Array[] = [];

  constructor({ native }: UvLibrary) {
    this.block = native.allocate(
      chunksAt + receiveChunks * receiveChunkBytes,
      "the receive buffer of a uv_udp_t",
    );
    this.from = this.block.bytes.subarray(fromAt, fromAt + sockaddrStride);
    this.block.setPointer(bufferLayout.baseAt, this.block.address + chunksAt);
    this.block.setPointer(bufferLayout.lengthAt, receiveChunks * receiveChunkBytes);
  }

  /** Copies what libuv says, and returns the bytes; the same view for as long as the length stays the same. */
  take({ copy }: UvLibrary, buffer: number, from: number, length: number): Uint8Array {
    const { block } = this;
    copy(block.address + fromAt, from, sockaddrBytes("udp6"));
    copy(block.address + placeAt, buffer, 16);
    const at = block.getPointer(placeAt + bufferLayout.baseAt) - block.address;
    const chunk = Math.floor((at - chunksAt) / receiveChunkBytes);
    const known = this.#views[chunk];
    if (known?.length === length) return known;
    const view = block.bytes.subarray(at, at + length);
    this.#views[chunk] = view;
    return view;
  }
}

// In a ReceiveMemory: a uv_buf_t of all of it, a sockaddr, a uv_buf_t of one datagram, and the chunks.
const fromAt = 16;
const placeAt = fromAt + sockaddrStride;
const chunksAt = placeAt + 16;

export interface SendRequest {
  readonly block: NativeBlock;
  readonly onSent: (status: number) => void;
}
