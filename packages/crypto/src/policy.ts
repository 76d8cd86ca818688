/**
 * The host's own rule on whom to have anything to do with: an allow or deny list, a puzzle.
 */
import { copyBytes, HookError, type NodeId, type Path } from "@kad/core";
import type { ChannelEvents } from "./channel-events.ts";

/** Called inside a transition: it may not call channel or node. One that throws counts as `false`. */
export type Policy = (peer: NodeId, publicKey: Uint8Array, from: Path) => boolean;

/** Never throws: what the host's policy throws becomes an event, and a refusal. */
export function guarded(policy: Policy | undefined, events: ChannelEvents): Policy {
  if (policy === undefined) return () => true;
  return (peer, publicKey, from) => {
    try {
      return policy(peer, copyBytes(publicKey), from) === true;
    } catch (error) {
      events.error(new HookError("admits", error));
      return false;
    }
  };
}
