/**
 * A transport for a host that owns the socket, or whatever else carries its messages: what leaves goes to a function of
 * the host's, and what arrives is handed to `PollNode.deliver`.
 */
import {
  type Address,
  type AddressKind,
  AddressTable,
  addressKinds,
  type SendFailure,
  type SendOutcome,
  SocketAddress,
  type Transmit,
  type Transport,
  type TransportSink,
  UsageError,
} from "@kad/core";

export interface HostSocketOptions {
  /**
   * Where others reach the host, the best first, 1 to 16 URLs; their kinds are those that it carries. An unspecified
   * address (`udp://0.0.0.0:4100`) says what is carried, and is told to nobody.
   */
  readonly local: string | readonly string[];
  /**
   * Sends one message, which is borrowed until this returns. Nothing returned means `sent`. After `full`, call
   * {@link HostSocket.writable} once there is room. What it throws goes to `report`.
   */
  readonly send: (bytes: Uint8Array, to: SocketAddress, tag: number) => SendOutcome | undefined;
  /** The longest message, 512 to 1,048,576 bytes; 1,200 by default. */
  readonly maxBytes?: number;
}

const maxUrls = 16;
const maxBytesRange = { min: 512, max: 2 ** 20 };

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function hostSocket(options: HostSocketOptions): HostSocket {
  return new HostSocket(options);
}

/** See {@link Transport}. */
export class HostSocket implements Transport {
  readonly kinds: readonly AddressKind[];
  readonly maxBytes: number;
  readonly #urls: readonly string[];
  readonly #send: HostSocketOptions["send"];
  #isOpened = false;
  #sink: TransportSink | undefined;
  #localAddresses: readonly Address[] = [];

  /** Use {@link hostSocket}. */
  constructor({ local, send, maxBytes = 1_200 }: HostSocketOptions) {
    this.#urls = typeof local === "string" ? [local] : [...local];
    if (this.#urls.length < 1 || this.#urls.length > maxUrls) {
      throw new UsageError(
        "invalidOption",
        `local: ${this.#urls.length} addresses; allowed are 1 to ${maxUrls}`,
      );
    }
    const { min, max } = maxBytesRange;
    if (!Number.isInteger(maxBytes) || maxBytes < min || maxBytes > max) {
      throw new UsageError(
        "invalidOption",
        `maxBytes: ${String(maxBytes)}; allowed are ${min} to ${max} bytes`,
      );
    }
    if (typeof send !== "function") {
      throw new UsageError(
        "invalidOption",
        `send: ${typeof send}; allowed is a function that sends one message`,
      );
    }
    this.maxBytes = maxBytes;
    this.#send = send;
    const table = new AddressTable(); // only to read: the node's own table comes with open
    const bits = this.#urls.reduce((sum, url) => sum | table.parse(url, { listening: true }).kind, 0);
    this.kinds = addressKinds.filter((_kind, index) => (bits & (1 << index)) !== 0);
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses;
  }

  /** @throws UsageError `invalidArgument` when opened before */
  open(sink: TransportSink, addresses: AddressTable): void {
    if (this.#isOpened) throw new UsageError("invalidArgument", "a transport is opened once");
    this.#isOpened = true;
    this.#sink = sink;
    const given = this.#urls.map((url) => addresses.parse(url, { listening: true }));
    this.#localAddresses = given.filter(({ wire }) => addresses.decode(wire, 0, wire.length) !== undefined);
  }

  send({ path, tag }: Transmit, bytes: Uint8Array): SendOutcome {
    const to = path.remote;
    if (this.#sink === undefined || !(to instanceof SocketAddress)) return "unreachable";
    return this.#send(bytes, to, tag) ?? "sent";
  }

  /** There is room again, after `full`. */
  writable(): void {
    for (const kind of this.kinds) this.#sink?.flow(kind, true);
  }

  /** A message that was answered `sent` or `queued` came to nothing; without a tag, the way to this address is down. */
  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void {
    this.#sink?.sendFailed(to, tag, reason);
  }

  /** Nothing is gathered. */
  flush(): void {}

  /** The host closes what it owns. */
  close(): void {
    this.#sink = undefined;
    this.#localAddresses = [];
  }
}
