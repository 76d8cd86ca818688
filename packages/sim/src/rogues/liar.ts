import { type Contact, type InstantMs, NodeId, type RequestMessage } from "@kad/core";
import { usualPort } from "../addressing.ts";
import { Rogue, type RogueAnswer } from "./rogue.ts";

/** As many as an honest node names. */
const liesPerAnswer = 20;
/** Bits that made-up ids share with the target: in a network of under a million nodes nobody real is as close. */
const sharedBytes = 3;

/**
 * Lies about contacts: a find, and a get, is answered with 20 that do not exist, whose ids share 24 bits with the target and
 * whose addresses, each in a /24 of its own, nobody has. Everything else it does as honest nodes do, holding records too, but
 * without ever giving one.
 */
export class LyingNode extends Rogue {
  protected override answer(_nowMs: InstantMs, { body }: RequestMessage): RogueAnswer {
    if (body.type === "findNode") return this.#lie(body.target, body.wantToken);
    if (body.type === "getValue") return this.#lie(body.key, false);
    if (body.type !== "getProviders") return "honest";
    return {
      body: {
        type: "providers",
        providers: [],
        cursor: new Uint8Array(0),
        contacts: this.#contacts(body.key),
      },
    };
  }

  #lie(target: NodeId, wantToken: boolean): RogueAnswer {
    const token = wantToken ? this.#bytes(8) : undefined;
    return { body: { type: "nodes", contacts: this.#contacts(target), token } };
  }

  #contacts(target: NodeId): Contact[] {
    return Array.from({ length: liesPerAnswer }, () => {
      const id = this.#bytes(target.length);
      for (let i = 0; i < Math.min(sharedBytes, target.length - 1); i++) id[i] = target.key.charCodeAt(i);
      // 224.0.0.0 and above are no addresses of hosts, and 200 to 223 are given to none in a simulation of this size.
      const ip = `${200 + this.random.nextInt(24)}.${this.random.nextInt(256)}.${this.random.nextInt(256)}.1`;
      const address = this.host.simulation.address(`udp://${ip}:${usualPort}`);
      return { id: NodeId.fromBytes(id), addresses: [address] };
    });
  }

  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.random.fill(bytes);
    return bytes;
  }
}
