/**
 * One Noise handshake (Noise Protocol Framework revision 34, §5.3) of any pattern in `patterns.ts`.
 *
 * Without randomness: ephemeral keys come from a function that the caller supplies, and is called when one is needed. A
 * message that cannot be read changes nothing, so that whoever forges one cannot end the handshake.
 */
import { InvariantError } from "@kad/core";
import { type CryptoProvider, keyBytes, type X25519KeyPair } from "../provider.ts";
import type { Pattern, Token } from "./patterns.ts";
import { SymmetricState } from "./symmetric-state.ts";

export interface HandshakeOptions {
  readonly provider: CryptoProvider;
  readonly pattern: Pattern;
  readonly role: "initiator" | "responder";
  /** What both sides know already and must agree on. */
  readonly prologue: Uint8Array;
  /** Our own static key. */
  readonly static?: X25519KeyPair | undefined;
  /** Called once, when our ephemeral key is written. */
  readonly ephemeral: () => X25519KeyPair;
  /** Where the pattern knows it beforehand. */
  readonly remoteStatic?: Uint8Array | undefined;
  /** One for each psk token, 32 bytes each. */
  readonly psks?: readonly Uint8Array[] | undefined;
}

/** Two keys of 32 bytes each. */
export interface TransportKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #symmetric: SymmetricState;
  readonly #isInitiator: boolean;
  #next = 0;
  #psks = 0;
  #ephemeral: X25519KeyPair | undefined;
  #remoteEphemeral: Uint8Array | undefined;
  #remoteStatic: Uint8Array | undefined;

  constructor(options: HandshakeOptions) {
    const { provider, pattern, role, prologue, static: own, remoteStatic } = options;
    this.#options = options;
    this.#isInitiator = role === "initiator";
    this.#remoteStatic = remoteStatic;
    this.#symmetric = new SymmetricState(provider, `Noise_${pattern.name}_25519_ChaChaPoly_SHA256`);
    this.#symmetric.mixHash(prologue);
    const [initiator, responder] = this.#isInitiator
      ? [own?.publicKey, remoteStatic]
      : [remoteStatic, own?.publicKey];
    if (pattern.knownInitiator) this.#symmetric.mixHash(needed(initiator));
    if (pattern.knownResponder) this.#symmetric.mixHash(needed(responder));
  }

  /** All messages have been written or read. */
  get isFinished(): boolean {
    return this.#next === this.#options.pattern.messages.length;
  }

  /** The peer's static key, once a message has brought it: 32 bytes. */
  get remoteStatic(): Uint8Array | undefined {
    return this.#remoteStatic;
  }

  /** The hash of everything that was said, different for every handshake: 32 bytes. */
  get hash(): Uint8Array {
    return this.#symmetric.hash;
  }

  /**
   * Writes the next message at `into[at..)` and returns the offset after it; the caller has made sure of the room.
   * `undefined`: a key of the peer's is of small order, and the handshake is of no use.
   */
  writeMessage(payload: Uint8Array, into: Uint8Array, at: number): number | undefined {
    let offset = at;
    for (const token of this.#takeTokens("write")) {
      if (token === "e") {
        this.#ephemeral = this.#options.ephemeral();
        const { publicKey } = this.#ephemeral;
        into.set(publicKey, offset);
        offset += keyBytes;
        this.#mixEphemeral(publicKey);
      } else if (token === "s") {
        offset = this.#symmetric.encryptAndHash(needed(this.#options.static).publicKey, into, offset);
      } else if (!this.#mix(token)) return undefined;
    }
    return this.#symmetric.encryptAndHash(payload, into, offset);
  }

  /** The payload of the next message, a fresh array; `undefined`: forged or malformed, and nothing has changed. */
  readMessage(message: Uint8Array): Uint8Array | undefined {
    const saved = this.#symmetric.save();
    const [next, psks, remoteStatic] = [this.#next, this.#psks, this.#remoteStatic];
    const payload = this.#read(message);
    if (payload === undefined) {
      this.#symmetric.restore(saved);
      this.#next = next;
      this.#psks = psks;
      this.#remoteStatic = remoteStatic;
    }
    return payload;
  }

  /** The keys of what follows. To be called once, when the handshake is finished. */
  split(): TransportKeys {
    if (!this.isFinished) throw new InvariantError("a handshake was split before its end");
    const [initiator, responder] = this.#symmetric.split();
    return this.#isInitiator
      ? { send: initiator, receive: responder }
      : { send: responder, receive: initiator };
  }

  #read(message: Uint8Array): Uint8Array | undefined {
    let offset = 0;
    const take = (length: number): Uint8Array | undefined => {
      offset += length;
      return offset > message.length ? undefined : message.subarray(offset - length, offset);
    };
    for (const token of this.#takeTokens("read")) {
      if (token === "e") {
        const key = take(keyBytes);
        if (key === undefined) return undefined;
        this.#remoteEphemeral = Uint8Array.from(key);
        this.#mixEphemeral(this.#remoteEphemeral);
      } else if (token === "s") {
        const sealed = take(keyBytes + this.#symmetric.overheadBytes);
        const key = sealed && this.#symmetric.decryptAndHash(sealed);
        if (key === undefined) return undefined;
        this.#remoteStatic = key;
      } else if (!this.#mix(token)) return undefined;
    }
    return this.#symmetric.decryptAndHash(message.subarray(offset));
  }

  #takeTokens(turn: "write" | "read"): readonly Token[] {
    const isOurs = (this.#next % 2 === 0) === this.#isInitiator;
    const tokens = this.#options.pattern.messages[this.#next];
    if (tokens === undefined || isOurs !== (turn === "write"))
      throw new InvariantError(`it is not our turn to ${turn} a message of the handshake`);
    this.#next++;
    return tokens;
  }

  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey);
    if (this.#options.pattern.hasPsk) this.#symmetric.mixKey(publicKey);
  }

  /** `false`: a Diffie-Hellman result is all zero. */
  #mix(token: Exclude<Token, "e" | "s">): boolean {
    if (token === "psk") {
      this.#symmetric.mixKeyAndHash(needed(this.#options.psks?.[this.#psks++]));
      return true;
    }
    const [initiator, responder] = token;
    const [own, remote] = this.#isInitiator ? [initiator, responder] : [responder, initiator];
    const pair = needed(own === "e" ? this.#ephemeral : this.#options.static);
    const shared = pair.dh(needed(remote === "e" ? this.#remoteEphemeral : this.#remoteStatic));
    if (shared !== undefined) this.#symmetric.mixKey(shared);
    return shared !== undefined;
  }
}

/** The pattern says that it is there. */
function needed<T>(value: T | undefined): T {
  if (value === undefined) throw new InvariantError("the handshake's pattern needs a key that was not given");
  return value;
}
