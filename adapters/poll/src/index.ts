/** `@kad/loop-poll`: a node that a loop of your own drives, in any of the three styles that C libraries offer. */
export { HostSocket, type HostSocketOptions, hostSocket } from "./host-socket.ts";
export {
  openPollNode,
  type PollNode,
  type PollNodeOptions,
  type PollNodeStats,
  pollNode,
} from "./poll-node.ts";
