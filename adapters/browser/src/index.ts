/** `@kad/loop-browser`: runs a node in a page or a worker. */
export { BrowserLoop, type BrowserLoopOptions, type LoopDriver } from "./browser-loop.ts";
export { type RunNodeOptions, type RunningNode, runNode } from "./run-node.ts";
