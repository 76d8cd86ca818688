/** A path with the peer that was proven on it. */
import type { NodeId, Path } from "@kad/core";

export type PeerPath = Path & { readonly peer: NodeId };

/**
 * `path`, with the peer that was proven on it. Property by property: of objects made as `{ ...path, peer }` V8 gives each one a
 * hidden class of its own, and whatever reads thousands of those, here and in core, finds every property by a search.
 */
export function peerPath({ remote, local, dialable }: Path, peer: NodeId): PeerPath {
  return local === undefined ? { remote, dialable, peer } : { remote, local, dialable, peer };
}
