/**
 * Copies of messages that wait for a handshake, bounded in number and in bytes.
 */
import { copyBytes, type Gauge, type NodeId, type Path, type Transmit } from "@kad/core";

export interface HeldMessage {
  readonly path: Path;
  /** Who should receive it; `undefined`: whoever is there. */
  readonly peer: NodeId | undefined;
  readonly tag: number;
  readonly bytes: Uint8Array;
}

export class HeldMessages {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #count = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get messages(): Gauge {
    return { used: this.#count, limit: this.#maxMessages };
  }

  get bytes(): Gauge {
    return { used: this.#bytes, limit: this.#maxBytes };
  }

  /** Copies the message; `undefined`: there is no room. */
  hold({ path, peer, tag }: Transmit, plaintext: Uint8Array): HeldMessage | undefined {
    if (this.#count >= this.#maxMessages || this.#bytes + plaintext.length > this.#maxBytes) return undefined;
    this.#count++;
    this.#bytes += plaintext.length;
    return { path, peer, tag, bytes: copyBytes(plaintext) };
  }

  /** To be called once for each, when it has left or has come to nothing. */
  release(held: HeldMessage): void {
    this.#count--;
    this.#bytes -= held.bytes.length;
  }
}
