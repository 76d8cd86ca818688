/**
 * Why an operation went the way it went, for those who called it with `explain`.
 */
import type { Explanation } from "@kad/core";

export interface Explained {
  /** Who was asked, skipped or dropped, and why; there where the operation was called with `explain`. */
  readonly explanation?: Explanation;
}

/** That field alone, where it is there at all. */
export function explained({ explanation }: Explained): Explained {
  return explanation === undefined ? {} : { explanation };
}
