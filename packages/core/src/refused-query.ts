/**
 * A query that ends before it has asked anybody: the protocol has no such request, or we know what they would answer.
 */
import type { QueryResult } from "./events.ts";
import type { Query, QueryStep, WalkFigures } from "./query.ts";

const figures: WalkFigures = { rounds: 0, hops: 0 };

export class RefusedQuery implements Query {
  readonly #result: QueryResult;

  constructor(result: QueryResult) {
    this.#result = result;
  }

  next(): QueryStep {
    return { type: "end", end: "exhausted" };
  }

  onResponse(): void {}

  onSlow(): void {}

  onOverdue(): void {}

  onFailure(): void {}

  result(): QueryResult {
    return this.#result;
  }

  figures(): WalkFigures {
    return figures;
  }
}
