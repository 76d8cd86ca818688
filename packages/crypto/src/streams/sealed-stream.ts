/**
 * One direction each way of an established connection: messages in parts, sealed under counted nonces.
 */

import { CipherState } from "../noise/cipher-state.ts";
import type { TransportKeys } from "../noise/handshake.ts";
import type { CryptoProvider } from "../provider.ts";
import { maxSealedBytes, streamKinds, streamOverheadBytes } from "./packets.ts";

/** Each direction takes a new key after so many messages, counted on both sides (WIRE.md §4). */
const rekeyEvery = 65_536;

/** `message`: a whole one, a view that is good until the next call. `part`: it grew by so many bytes. */
export type Opened =
  | { readonly type: "message"; readonly body: Uint8Array; readonly freed: number }
  | { readonly type: "part"; readonly bytes: number }
  | { readonly type: "nothing" }
  | { readonly type: "close" }
  | { readonly type: "unknownKind" }
  | { readonly type: "forged" }
  | { readonly type: "badLength" }
  | { readonly type: "tooLarge" };

export class SealedStream {
  readonly #send: CipherState;
  readonly #receive: CipherState;
  /** What has come of a message that is not whole yet, in a buffer that doubles. */
  #parts: Uint8Array = nothing;
  #partsBytes = 0;

  constructor(provider: CryptoProvider, keys: TransportKeys) {
    this.#send = new CipherState(provider, keys.send);
    this.#receive = new CipherState(provider, keys.receive);
  }

  /** Bytes of the message that is not whole yet. */
  get partsBytes(): number {
    return this.#partsBytes;
  }

  /** Seals `[kind | body]`, which is `plain`, at the start of `into`; returns the length. */
  seal(plain: Uint8Array, into: Uint8Array): number {
    this.#send.seal(plain, into);
    if (this.#send.counter % rekeyEvery === 0) this.#send.rekey();
    return plain.length + streamOverheadBytes - 1;
  }

  /** @param wire borrowed @param room at least as long */
  open(wire: Uint8Array, room: Uint8Array, maxMessageBytes: number): Opened {
    if (wire.length < streamOverheadBytes || wire.length > maxSealedBytes) return { type: "badLength" };
    if (!this.#receive.open(wire, room)) return { type: "forged" };
    if (this.#receive.counter % rekeyEvery === 0) this.#receive.rekey();
    const body = room.subarray(1, 1 + wire.length - streamOverheadBytes);
    switch (room[0] as number) {
      case streamKinds.nothing:
        return { type: "nothing" };
      case streamKinds.close:
        return { type: "close" };
      case streamKinds.end:
        return this.#end(body, maxMessageBytes);
      case streamKinds.part:
        return this.#part(body, maxMessageBytes);
      default:
        return { type: "unknownKind" };
    }
  }

  #part(body: Uint8Array, maxMessageBytes: number): Opened {
    if (this.#partsBytes + body.length > maxMessageBytes) return { type: "tooLarge" };
    this.#append(body, maxMessageBytes);
    return { type: "part", bytes: body.length };
  }

  #end(body: Uint8Array, maxMessageBytes: number): Opened {
    const freed = this.#partsBytes;
    if (freed + body.length > maxMessageBytes) return { type: "tooLarge" };
    if (freed === 0) return { type: "message", body, freed };
    this.#append(body, maxMessageBytes);
    const message = this.#parts.subarray(0, this.#partsBytes);
    this.#parts = nothing;
    this.#partsBytes = 0;
    return { type: "message", body: message, freed };
  }

  #append(body: Uint8Array, maxMessageBytes: number): void {
    const length = this.#partsBytes + body.length;
    if (length > this.#parts.length) {
      const grown = new Uint8Array(Math.min(maxMessageBytes, Math.max(2 * length, firstRoom)));
      grown.set(this.#parts.subarray(0, this.#partsBytes));
      this.#parts = grown;
    }
    this.#parts.set(body, this.#partsBytes);
    this.#partsBytes = length;
  }
}

const nothing = new Uint8Array(0);
const firstRoom = 4_096;
