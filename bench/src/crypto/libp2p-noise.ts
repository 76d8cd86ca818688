/** `@chainsafe/libp2p-noise`, as libp2p uses it: XX over a pair of connections in memory. */
import { noise } from "@chainsafe/libp2p-noise";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { defaultLogger } from "@libp2p/logger";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { lpStream, multiaddrConnectionPair } from "@libp2p/utils";

/** What a handshake gives, and libp2p keeps to itself. */
export interface Libp2pCipher {
  encrypt(plaintext: Uint8Array): { subarray(): Uint8Array; readonly byteLength: number };
  decrypt(ciphertext: Uint8Array): { readonly byteLength: number };
}

interface Internals {
  performHandshakeInitiator(...given: unknown[]): Promise<Libp2pCipher>;
  performHandshakeResponder(...given: unknown[]): Promise<Libp2pCipher>;
}

// It calls what Node has from version 22 on.
(Promise as { withResolvers?: unknown }).withResolvers ??= () => {
  let resolve: unknown;
  let reject: unknown;
  const promise = new Promise((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
};

async function sideOf() {
  const privateKey = await generateKeyPair("Ed25519");
  const peerId = peerIdFromPrivateKey(privateKey);
  const logger = defaultLogger();
  const upgrader = { getStreamMuxers: () => new Map() };
  const components = { peerId, privateKey, logger, upgrader };
  const make = noise() as unknown as (given: typeof components) => ReturnType<ReturnType<typeof noise>>;
  return { ...components, encrypter: make(components) };
}

export class Libp2pPair {
  readonly #initiator: Awaited<ReturnType<typeof sideOf>>;
  readonly #responder: Awaited<ReturnType<typeof sideOf>>;

  private constructor(
    initiator: Awaited<ReturnType<typeof sideOf>>,
    responder: Awaited<ReturnType<typeof sideOf>>,
  ) {
    this.#initiator = initiator;
    this.#responder = responder;
  }

  static async create(): Promise<Libp2pPair> {
    return new Libp2pPair(await sideOf(), await sideOf());
  }

  /** Both sides prove to each other who they are. */
  async handshake(): Promise<void> {
    const [outbound, inbound] = multiaddrConnectionPair();
    const options = { skipStreamMuxerNegotiation: true };
    const [secured] = await Promise.all([
      this.#initiator.encrypter.secureOutbound(outbound, { ...options, remotePeer: this.#responder.peerId }),
      this.#responder.encrypter.secureInbound(inbound, { ...options, remotePeer: this.#initiator.peerId }),
    ]);
    if (!secured.remotePeer.equals(this.#responder.peerId)) throw new Error("somebody else is there");
  }

  /** What seals and opens after a handshake, without the streams around it. */
  async ciphers(): Promise<readonly [Libp2pCipher, Libp2pCipher]> {
    const [outbound, inbound] = multiaddrConnectionPair();
    const sized = { lengthEncoder: writeLength, lengthDecoder: readLength, maxDataLength: 65_535 };
    const options = { skipStreamMuxerNegotiation: true };
    const { encrypter, privateKey, logger } = this.#initiator;
    const other = this.#responder;
    const log = logger.forComponent("bench");
    return await Promise.all([
      (encrypter as unknown as Internals).performHandshakeInitiator(
        lpStream(outbound, sized),
        privateKey,
        log,
        undefined,
        options,
      ),
      (other.encrypter as unknown as Internals).performHandshakeResponder(
        lpStream(inbound, sized),
        other.privateKey,
        log,
        undefined,
        options,
      ),
    ]);
  }
}

const writeLength = (length: number): Uint8Array => Uint8Array.of(length >>> 8, length);
writeLength.bytes = 2;
/** Throws where there is not enough yet, as is expected of it. */
const readLength = (bytes: { subarray(): Uint8Array }): number => {
  const [high, low] = bytes.subarray();
  if (high === undefined || low === undefined) throw new RangeError("more bytes are needed");
  return (high << 8) | low;
};
readLength.bytes = 2;
