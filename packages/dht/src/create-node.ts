/**
 * From options to a node that has joined.
 */
import { DhtNode } from "./dht-node.ts";
import { checkCreateNodeOptions } from "./option-checks.ts";
import type { CreateNodeOptions } from "./options.ts";

/**
 * Opens the sockets and joins the network. Resolves when a seed has answered and the walk to our own id is over; at once
 * without seeds, or with `bootstrapRequired: false`. When it rejects, every socket is closed again.
 * @throws UsageError `invalidOption`, `invalidAddress`; core's ListenError (`addressInUse` …); BootstrapFailed; the
 * signal's reason
 */
export async function createNode(options: CreateNodeOptions): Promise<DhtNode> {
  checkCreateNodeOptions(options);
  options.signal?.throwIfAborted();
  return await DhtNode.open(options);
}
