import type { InstantMs, RequestMessage } from "@kad/core";
import { Rogue, type RogueAnswer } from "./rogue.ts";

/**
 * Answers pings, and nothing else: it enters tables, each walk that comes by waits for it, and every liveness ping keeps it
 * there. It asks and joins as honest nodes do.
 */
export class SilentNode extends Rogue {
  protected override answer(_nowMs: InstantMs, { body }: RequestMessage): RogueAnswer {
    return body.type === "ping" ? "honest" : "nothing";
  }
}
