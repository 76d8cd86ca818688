import { type Deadline, type InstantMs, NodeId, type NodeOptions, type RequestMessage } from "@kad/core";
import type { SimHost } from "../sim-host.ts";
import { Rogue, type RogueAnswer } from "./rogue.ts";

/** Four times what a node answers of one source (`requestsPerSecond`). */
const requestsPerSecond = 200;
/** Sent together, so that the flood comes in bursts. */
const burst = 20;
const intervalMs = (1_000 * burst) / requestsPerSecond;

/**
 * Floods: from its first contact on it sends 200 requests a second, in bursts of 20, to one contact of its table after the
 * other, each getting some 2,000 before the next: pings, finds of random targets, gets, stores without a token, messages for
 * nobody, and one in ten with a kind that there is not. It reads no answer to them. Everything else it does as honest nodes
 * do.
 */
export class FloodingNode extends Rogue {
  #nextAtMs: InstantMs | undefined;
  #sent = 0;
  #victim = 0;

  constructor(options: NodeOptions, host: SimHost) {
    super(options, host);
  }

  protected override answer(_nowMs: InstantMs, _request: RequestMessage): RogueAnswer {
    return "honest";
  }

  override handleTimeout(nowMs: InstantMs): void {
    super.handleTimeout(nowMs);
    this.#nextAtMs ??= nowMs + intervalMs;
    if (nowMs < this.#nextAtMs || this.inner.drained) return;
    this.#nextAtMs = nowMs + intervalMs;
    this.#flood();
  }

  override nextDeadline(): Deadline | undefined {
    const inner = super.nextDeadline();
    if (inner === undefined || this.table.size === 0) return inner;
    const atMs = this.#nextAtMs ?? 0;
    return atMs < inner.atMs ? { atMs, reason: "flood" } : inner;
  }

  #flood(): void {
    const contacts = this.table.contacts();
    if (this.#sent >= 2_000) {
      this.#sent = 0;
      this.#victim++;
    }
    const remote = contacts[this.#victim % Math.max(1, contacts.length)]?.addresses[0];
    if (remote === undefined) return;
    for (let i = 0; i < burst; i++) this.say({ remote, dialable: true }, this.#request());
    this.#sent += burst;
  }

  #request(): Uint8Array {
    const protocol = this.host.simulation.protocol;
    const into = new Uint8Array(1_143);
    const [high, low] = [this.random.u32(), this.random.u32()];
    const bytes = new Uint8Array(protocol.idBytes);
    this.random.fill(bytes);
    const target = NodeId.fromBytes(bytes);
    const record = { typeCode: 1, key: target, lifetimeMs: 60_000, body: bytes };
    const body = this.random.pick([
      { type: "ping" },
      { type: "findNode", target, wantToken: true },
      { type: "getValue", key: target },
      { type: "putValue", token: undefined, record },
      { type: "getProviders", key: target, cursor: new Uint8Array(0) },
      { type: "application", protocol: "flood", body: bytes },
    ] as const);
    const requestId = { high, low };
    const message = {
      kind: "request",
      requestId,
      sender: this.id,
      client: false,
      addresses: [],
      want: 1,
      body,
    } as const;
    const length = protocol.encode(message, into, into.length, true) ?? 0;
    if (this.random.chance(0.1)) into[1] = 0x7e; // a kind of request that there is not
    return into.subarray(0, length);
  }
}
