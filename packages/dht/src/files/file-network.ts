import type { Records } from "../records.ts";

/** What files need of their node. */
export interface FileNetwork {
  readonly records: Pick<Records, "get" | "putRecord">;
  /** Holders of a record, and how many of them must take it, where the caller says nothing. */
  readonly replicas: number;
  readonly minAccepted: number;
  /** Longest and default life of a record. */
  readonly valueLifetimeMs: number;
  /** Aborts when the node is closed. */
  readonly lifetime: AbortSignal;
}
