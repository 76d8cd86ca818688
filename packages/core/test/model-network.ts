/**
 * A network on paper: every node's buckets are full with random members, as in BASELINES §7, so that a walk can be
 * tested against thousands of nodes without running any.
 */
import type { Contact } from "../src/contact.ts";
import { compareDistance } from "../src/distance.ts";
import { NodeId } from "../src/node-id.ts";
import { contactOf } from "./tiny-id.ts";

/** mulberry32: the same seed gives the same numbers, from 0 to just under 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ids of 8 bytes: no two of so few nodes share their first 32 bits for long. */
function randomId(random: () => number): NodeId {
  return NodeId.fromBytes(Uint8Array.from({ length: 8 }, () => Math.floor(random() * 256)));
}

export class ModelNetwork {
  /** In the order of their ids. */
  readonly contacts: readonly Contact[];
  readonly random: () => number;
  readonly #bucketSize: number;
  readonly #tables = new Map<string, readonly Contact[]>();

  constructor(size: number, bucketSize: number, seed: number) {
    this.random = randomFrom(seed);
    this.#bucketSize = bucketSize;
    this.contacts = Array.from({ length: size }, () => contactOf(randomId(this.random))).sort(
      (a, b) => a.id.prefix - b.id.prefix,
    );
  }

  randomId(): NodeId {
    return randomId(this.random);
  }

  pick(): Contact {
    return this.contacts[Math.floor(this.random() * this.contacts.length)] as Contact;
  }

  /** The true closest of all. */
  closest(target: NodeId, count: number): Contact[] {
    let bits = 32;
    while (bits > 0 && this.#range(target.prefix, bits).length < count) bits--;
    return sortedTo(target, this.#range(target.prefix, bits)).slice(0, count);
  }

  /** What this node says when it is asked for the closest. */
  answer(node: NodeId, target: NodeId, count: number = this.#bucketSize): Contact[] {
    return sortedTo(target, this.#table(node)).slice(0, count);
  }

  #table(node: NodeId): readonly Contact[] {
    let table = this.#tables.get(node.key);
    if (table === undefined) {
      table = this.#draw(node);
      this.#tables.set(node.key, table);
    }
    return table;
  }

  /** Up to `bucketSize` random members of each bucket, down to the one in which it is alone. */
  #draw(node: NodeId): Contact[] {
    const table: Contact[] = [];
    for (let bits = 0; bits < 32 && this.#range(node.prefix, bits).length > 1; bits++) {
      const other = (node.prefix ^ (0x8000_0000 >>> bits)) >>> 0;
      table.push(...this.#sample(this.#range(other, bits + 1)));
    }
    return table;
  }

  #sample(members: readonly Contact[]): readonly Contact[] {
    if (members.length <= this.#bucketSize) return members;
    const chosen = new Set<Contact>();
    while (chosen.size < this.#bucketSize)
      chosen.add(members[Math.floor(this.random() * members.length)] as Contact);
    return [...chosen];
  }

  /** Those that share the first `bits` bits. */
  #range(prefix: number, bits: number): readonly Contact[] {
    const size = 2 ** (32 - bits);
    const from = Math.floor(prefix / size) * size;
    return this.contacts.slice(this.#firstFrom(from), this.#firstFrom(from + size));
  }

  #firstFrom(prefix: number): number {
    let low = 0;
    let high = this.contacts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.contacts[middle] as Contact).id.prefix < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function sortedTo(target: NodeId, contacts: readonly Contact[]): Contact[] {
  return [...contacts].sort((a, b) => compareDistance(target, a.id, b.id));
}
