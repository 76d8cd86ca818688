/**
 * How many bytes of application messages wait or are under way: a bound in all, and one for each peer.
 */
import { LeanMap } from "./lean-map.ts";
import type { NodeLimits } from "./options.ts";

export class SendRoom {
  readonly #limits: NodeLimits;
  readonly #perPeer = new LeanMap<string, number>();
  #used = 0;

  constructor(limits: NodeLimits) {
    this.#limits = limits;
  }

  get used(): number {
    return this.#used;
  }

  /** `false`, and nothing changes, when one of the bounds would be passed. */
  take(peer: string, bytes: number): boolean {
    const { maxSendBytes, maxSendBytesPerPeer } = this.#limits;
    const forPeer = (this.#perPeer.get(peer) ?? 0) + bytes;
    if (this.#used + bytes > maxSendBytes || forPeer > maxSendBytesPerPeer) return false;
    this.#used += bytes;
    this.#perPeer.set(peer, forPeer);
    return true;
  }

  /** Exactly what was taken, once. */
  giveBack(peer: string, bytes: number): void {
    this.#used -= bytes;
    const left = (this.#perPeer.get(peer) as number) - bytes;
    if (left > 0) this.#perPeer.set(peer, left);
    else this.#perPeer.delete(peer);
  }
}
