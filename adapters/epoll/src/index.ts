/** `@kad/loop-epoll`: a node in a real epoll set, its own or yours, or with poll(2). */
export { EpollNode, type EpollNodeOptions, type EpollNodeStats, epollNode } from "./epoll-node.ts";
