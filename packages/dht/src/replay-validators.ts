/**
 * What replays of recordings need beside the recording.
 */
import type { NodeOptions } from "@kad/core";

/**
 * What an encrypted node demands of records and of providers, for `replay` of `@kad/sim`: it plays what a node has done
 * outside its channels, and has to judge as the node did.
 * @param network the name of its network
 * @throws (rejects) UsageError `invalidOption`
 */
export async function replayValidators(
  network = "kad",
): Promise<Required<Pick<NodeOptions, "validators" | "providerValidator">>> {
  return (await import("./security.ts")).demandsOf(network);
}
