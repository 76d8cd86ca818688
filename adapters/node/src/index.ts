/** `@kad/loop-node`: runs a node inside Node's own event loop. */
export { type LoopDriver, NodeLoop, type NodeLoopOptions } from "./node-loop.ts";
export { type RunNodeOptions, type RunningNode, runNode } from "./run-node.ts";
