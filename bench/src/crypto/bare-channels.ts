/**
 * Channels that seal and open and do nothing else: no sessions, no handshakes, no windows. What they add to a network is what
 * the bare calls of the provider cost where they are made.
 */
import { randomFillSync } from "node:crypto";
import type { NodeId, OpenedMessage, Path, SecureChannel, Transmit } from "@kad/core";
import type { CryptoProvider } from "@kad/crypto";
import { credentialsOf } from "./peers.ts";

const [keyBytes, headBytes, overheadBytes] = [32, 9, 26];
const firstPort = 20_000;

/** All channels of one network, of the nodes in their order, and the keys of every two of them. */
export class BareChannels {
  readonly provider: CryptoProvider;
  readonly ids: NodeId[] = [];
  readonly #nodes: number;
  readonly #keys: Uint8Array;

  constructor(provider: CryptoProvider, nodes: number) {
    this.provider = provider;
    this.#nodes = nodes;
    this.#keys = randomFillSync(new Uint8Array(keyBytes * nodes * nodes));
  }

  /** That of the next node. */
  next(): { readonly id: NodeId; readonly channel: SecureChannel } {
    const { id } = credentialsOf(this.provider);
    const channel = new BareChannel(this, this.ids.length);
    this.ids.push(id);
    return { id, channel };
  }

  copyKey(from: number, to: number, into: Uint8Array): void {
    const at = keyBytes * (from * this.#nodes + to);
    for (let i = 0; i < keyBytes; i++) into[i] = this.#keys[at + i] as number;
  }
}

class BareChannel implements SecureChannel {
  readonly overheadBytes: number = overheadBytes;
  readonly drained = true;
  readonly #all: BareChannels;
  readonly #index: number;
  /** Where a message comes from, with its peer; by index. */
  readonly #paths: (OpenedMessage["from"] | undefined)[] = [];
  readonly #indexes = new Map<object, number>();
  readonly #head: Uint8Array = new Uint8Array(headBytes);
  readonly #nonce: Uint8Array = new Uint8Array(12);
  readonly #key: Uint8Array = new Uint8Array(keyBytes);
  readonly #toSeal: Uint8Array = new Uint8Array(1_200);
  readonly #opened: Uint8Array = new Uint8Array(1_200);

  constructor(all: BareChannels, index: number) {
    this.#all = all;
    this.#index = index;
  }

  seal(_nowMs: number, { path }: Transmit, plaintext: Uint8Array, into: Uint8Array): number {
    const length = plaintext.length + overheadBytes;
    this.#all.copyKey(this.#index, this.#indexOf(path), this.#key);
    into.set(this.#head);
    this.#toSeal.set(plaintext, 1);
    const plain = this.#toSeal.subarray(0, 1 + plaintext.length);
    this.#all.provider.seal(this.#key, this.#nonce, this.#head, plain, into.subarray(headBytes, length));
    return length;
  }

  open(_nowMs: number, from: Path, wire: Uint8Array): OpenedMessage {
    const index = this.#indexOf(from);
    this.#all.copyKey(index, this.#index, this.#key);
    const { provider, ids } = this.#all;
    if (!provider.open(this.#key, this.#nonce, this.#head, wire.subarray(headBytes), this.#opened))
      throw new Error("it does not open");
    const { remote, dialable } = from;
    this.#paths[index] ??= { remote, dialable, peer: ids[index] as NodeId };
    const plaintext = this.#opened.subarray(1, 1 + wire.length - overheadBytes);
    return { from: this.#paths[index] as OpenedMessage["from"], plaintext };
  }

  handleNetworkEvent(): void {}

  handleTimeout(): void {}

  pollTransmit(): undefined {}

  pollEvent(): undefined {}

  nextDeadline(): undefined {}

  close(): void {}

  #indexOf({ remote }: Path): number {
    let index = this.#indexes.get(remote);
    if (index === undefined) {
      index = Number(remote.key.slice(-5)) - firstPort; // slice: a string
      this.#indexes.set(remote, index);
    }
    return index;
  }
}
