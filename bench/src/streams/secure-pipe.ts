/** The channel of `@kad/crypto` over a transport of streams, with no node in between. */
import { AddressTable, type Path, type Transport, type TransportSink } from "@kad/core";
import { Credentials, SeedIdentity, type StreamChannel, secureStreams, systemRandom } from "@kad/crypto";
import { nodeProvider } from "@kad/crypto/node";

const scratchBytes = 2 ** 17;

export class SecurePipe {
  readonly addresses: AddressTable = new AddressTable({ exempt: ["127.0.0.0/8"] });
  readonly #channel: StreamChannel;
  readonly #transport: Transport;
  readonly #onMessage: (pipe: SecurePipe, from: Path, plaintext: Uint8Array) => void;
  readonly #plain = new Uint8Array(scratchBytes);
  readonly #sealed = new Uint8Array(scratchBytes);
  #isScheduled = false;

  /** @param onMessage the bytes are borrowed until it returns */
  constructor(
    transport: Transport,
    onMessage: (pipe: SecurePipe, from: Path, plaintext: Uint8Array) => void,
  ) {
    const provider = nodeProvider();
    const nowMs = performance.now();
    const identity = SeedIdentity.generate(provider, systemRandom);
    const credentials = new Credentials({
      provider,
      identity,
      keys: systemRandom,
      nowMs,
      unixMs: Date.now(),
    });
    const limits = { maxConnections: 4_096 };
    this.#channel = secureStreams({ credentials, addresses: this.addresses, nowMs, limits });
    this.#transport = transport;
    this.#onMessage = onMessage;
  }

  async open(): Promise<void> {
    const input = (event: Parameters<StreamChannel["handleNetworkEvent"]>[1]): void => {
      this.#channel.handleNetworkEvent(performance.now(), event);
      this.#schedule();
    };
    const sink: TransportSink = {
      message: (from, bytes) => this.#hear(from, bytes),
      deferred: (tag) => input({ type: "deferred", tag }),
      sent: (tag) => input({ type: "sent", tag }),
      sendFailed: (to, tag, reason) =>
        input(
          tag === undefined ? { type: "sendFailed", to, reason } : { type: "sendFailed", to, tag, reason },
        ),
      flow() {},
      addressesChanged() {},
      report(error) {
        throw error;
      },
    };
    await this.#transport.open(sink, this.addresses);
  }

  send(path: Path, plaintext: Uint8Array): void {
    const transmit = { path, peer: path.peer, length: plaintext.length, tag: 0 };
    const length = this.#channel.seal(performance.now(), transmit, plaintext, this.#sealed);
    if (typeof length === "number")
      this.#transport.send({ ...transmit, length }, this.#sealed.subarray(0, length));
    this.#schedule();
  }

  #hear(from: Path, bytes: Uint8Array): void {
    const opened = this.#channel.open(performance.now(), from, bytes);
    if (opened !== undefined) {
      const { length } = opened.plaintext;
      this.#plain.set(opened.plaintext); // the next call on the channel may use its memory again
      this.#onMessage(this, opened.from, this.#plain.subarray(0, length));
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      for (;;) {
        const transmit = this.#channel.pollTransmit(performance.now(), this.#sealed);
        if (transmit === undefined) break;
        this.#transport.send(transmit, this.#sealed.subarray(0, transmit.length));
      }
      while (this.#channel.pollEvent() !== undefined);
      this.#transport.flush();
    });
  }
}
