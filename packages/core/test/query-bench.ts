/**
 * One query by itself, without a pool: what it asks is noted, and a test plays everybody whom it asks.
 */
import { expect } from "vitest";
import type { Contact, Seed } from "../src/contact.ts";
import type { QueryResult } from "../src/events.ts";
import { Lookup, type LookupOptions } from "../src/lookup.ts";
import type { Path } from "../src/machine.ts";
import type { NodeId } from "../src/node-id.ts";
import type { Request, Response } from "../src/protocol.ts";
import type { Asked, Query } from "../src/query.ts";
import type { FailureReason, QueryEnd } from "../src/query-end.ts";
import { tinyAddress, tinyContact, tinyId } from "./tiny-id.ts";

/** A walk toward 0, so that a tiny id is its own distance. */
export function walkTowardZero(options: Partial<LookupOptions>, ...seeds: readonly number[]): Lookup {
  const walk = new Lookup({
    target: tinyId(0),
    self: tinyId(255),
    results: 3,
    parallelism: 3,
    stalledParallelism: 6,
    maxCandidates: 20,
    maxPerSubnet: 255,
    groupOf: () => undefined,
    ...options,
  });
  walk.addSeeds(seeds.map((bits) => tinyContact(bits)));
  return walk;
}

export function nodes(...bits: readonly number[]): Response {
  return { type: "nodes", contacts: bits.map((other) => tinyContact(other)), token: undefined };
}

export function bitsOf(contacts: readonly Contact[]): number[] {
  return contacts.map(({ id }) => id.key.charCodeAt(0));
}

interface From {
  readonly sender?: NodeId;
  readonly client?: boolean;
  readonly dialable?: boolean;
}

export class QueryBench<Q extends Query = Query> {
  nowMs = 0;
  readonly query: Q;
  /** Under way, by the name of whom was asked. */
  readonly asked = new Map<string, Asked>();
  readonly #sent: string[] = [];
  #end: QueryEnd | undefined = undefined;

  constructor(query: Q) {
    this.query = query;
  }

  /** Asks as long as it can: `getValue 1`, … and the end, if it has come. */
  asks(canAsk: (to: Seed) => boolean = () => true): string[] {
    for (;;) {
      const step = this.query.next(this.nowMs, canAsk);
      if (step.type === "wait") break;
      if (step.type === "end") {
        this.#end = step.end;
        this.#sent.push(step.end);
        break;
      }
      const name = nameOf(step.to);
      expect(this.asked.has(name), `${name} is being asked already`).toBe(false);
      this.asked.set(name, step);
      this.#sent.push(`${step.body.type} ${name}`);
    }
    return this.#sent.splice(0);
  }

  get end(): QueryEnd | undefined {
    return this.#end;
  }

  bodyTo(name: string | number): Request {
    return (this.asked.get(String(name)) as Asked).body;
  }

  answer(name: string | number, body: Response, from: From = {}): void {
    const asked = this.#take(name);
    const path: Path = {
      remote: asked.to.addresses[0] ?? tinyAddress("none"),
      dialable: from.dialable ?? true,
    };
    const sender = from.sender ?? asked.to.id ?? tinyId(200);
    const client = from.client ?? false;
    const requestId = { high: 1, low: 1 };
    this.query.onResponse(
      this.nowMs,
      asked,
      { kind: "response", requestId, sender, client, addresses: [], body },
      path,
    );
  }

  fail(name: string | number, reason: FailureReason = "noAnswer"): void {
    this.query.onFailure(this.nowMs, this.#take(name), reason);
  }

  slow(name: string | number): void {
    this.query.onSlow(this.asked.get(String(name)) as Asked);
  }

  overdue(name: string | number): void {
    this.query.onOverdue(this.asked.get(String(name)) as Asked);
  }

  result<T extends QueryResult["type"]>(type: T): Extract<QueryResult, { type: T }> {
    const result = this.query.result();
    expect(result.type).toBe(type);
    return result as Extract<QueryResult, { type: T }>;
  }

  #take(name: string | number): Asked {
    const asked = this.asked.get(String(name));
    expect(asked, `${name} was asked`).toBeDefined();
    this.asked.delete(String(name));
    return asked as Asked;
  }
}

/** By id where there is one, else by address. */
function nameOf({ id, addresses }: Seed): string {
  return id === undefined ? (addresses[0]?.key ?? "nowhere") : String(id.key.charCodeAt(0));
}
