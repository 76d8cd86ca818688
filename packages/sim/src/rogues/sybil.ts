import type { Contact, InstantMs, NodeId, NodeOptions, RequestMessage, Response } from "@kad/core";
import { IdIndex } from "../id-index.ts";
import type { SimHost } from "../sim-host.ts";
import { Rogue, type RogueAnswer } from "./rogue.ts";

/** As many as an honest node names. */
const namesPerAnswer = 20;

/** The Sybils of one attacker: each knows all others. */
export class SybilGroup {
  readonly #members = new IdIndex<Contact>();

  get size(): number {
    return this.#members.size;
  }

  /** @internal */
  add(contact: Contact): void {
    this.#members.add(contact);
  }

  /** @internal */
  closest(target: NodeId, count: number, except: NodeId): Contact[] {
    const found = this.#members.closest(target, count + 1);
    return found.filter(({ id }) => !id.equals(except)).slice(0, count); // slice: an array
  }
}

/**
 * A Sybil (S/Kademlia §3.2): it answers every find, every get and every search for providers with the 20 other Sybils nearest
 * to the target, says `stored` to every record and every provider and drops them. It answers pings, and asks and joins as
 * honest nodes do, so that it stands in tables.
 */
export class SybilNode extends Rogue {
  readonly #group: SybilGroup;

  constructor(options: NodeOptions, host: SimHost, group: SybilGroup) {
    super(options, host);
    this.#group = group;
    group.add({ id: options.id, addresses: host.contact.addresses });
  }

  protected override answer(_nowMs: InstantMs, request: RequestMessage): RogueAnswer {
    const body = this.#body(request);
    return body === undefined ? "honest" : { body };
  }

  #body({ body, sender }: RequestMessage): Response | undefined {
    switch (body.type) {
      case "findNode":
        return {
          type: "nodes",
          contacts: this.#nearest(body.target, sender),
          token: this.#token(body.wantToken),
        };
      case "getValue":
        return { type: "nodes", contacts: this.#nearest(body.key, sender), token: undefined };
      case "getProviders":
        return {
          type: "providers",
          providers: [],
          cursor: new Uint8Array(0),
          contacts: this.#nearest(body.key, sender),
        };
      case "putValue":
      case "addProvider":
        return { type: "stored" };
      case "ping":
      case "application":
        return undefined;
    }
  }

  #nearest(target: NodeId, asker: NodeId): Contact[] {
    return this.#group.closest(target, namesPerAnswer, asker);
  }

  #token(isWanted: boolean): Uint8Array | undefined {
    if (!isWanted) return undefined;
    const token = new Uint8Array(8);
    this.random.fill(token);
    return token;
  }
}
