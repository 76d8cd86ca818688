/**
 * Writes our own messages: fills in the envelope that is the same in all of them.
 */
import type { Address, AddressCodec } from "./address.ts";
import type { NodeId } from "./node-id.ts";
import type { Protocol, Request, RequestId, Response } from "./protocol.ts";

export interface MessageWriterOptions {
  readonly protocol: Protocol;
  readonly id: NodeId;
  readonly isClient: boolean;
  /** Whether requests are padded, so that an unproven address is never sent over three times what it sent. */
  readonly padRequests: boolean;
  /** What we can dial. */
  readonly addresses: Pick<AddressCodec, "dialable">;
}

export class MessageWriter {
  readonly #options: MessageWriterOptions;
  /** Said in every message, where the address that others observe does not say it all. */
  declared: readonly Address[] = [];
  /** Said with an announcement, by a client too: it provides where it can be reached, though it is in no table. */
  provided: readonly Address[] = [];

  constructor(options: MessageWriterOptions) {
    this.#options = options;
  }

  /**
   * Bytes written into `into`, or `undefined` when the message does not fit what `to` can take. `maxBytes`: what may be
   * sent there at all, beside what the link carries.
   */
  request(
    to: Address,
    requestId: RequestId,
    body: Request,
    into: Uint8Array,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): number | undefined {
    const { protocol, id, isClient, padRequests } = this.#options;
    const addresses = body.type === "addProvider" ? this.provided : this.declared;
    const message = {
      kind: "request",
      requestId,
      sender: id,
      client: isClient,
      addresses,
      want: this.#options.addresses.dialable,
      body,
    } as const;
    return protocol.encode(message, into, Math.min(into.length, to.maxBytes, maxBytes), padRequests);
  }

  response(
    to: Address,
    requestId: RequestId,
    body: Response,
    into: Uint8Array,
    maxBytes: number,
  ): number | undefined {
    const { protocol, id, isClient } = this.#options;
    const message = {
      kind: "response",
      requestId,
      sender: id,
      client: isClient,
      addresses: this.declared,
      body,
    } as const;
    return protocol.encode(message, into, Math.min(into.length, to.maxBytes, maxBytes), false);
  }
}
