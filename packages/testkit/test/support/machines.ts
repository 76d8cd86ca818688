/** Core's node, made wrong in one thing. */
import {
  type InstantMs,
  KadNode,
  type NetworkEvent,
  type NodeEvent,
  type NodeOptions,
  type QueryFinished,
} from "@kad/core";
import { type CommandedMachine, intercept, type MakeMachine } from "../../src/index.ts";

/** Core's node, but for some calls. */
export const broken =
  (instead: (node: KadNode, options: NodeOptions) => Partial<CommandedMachine>): MakeMachine =>
  (options) => {
    const node = new KadNode(options);
    return intercept<CommandedMachine>(node, instead(node, options));
  };

/** Changes events on their way out; `undefined` loses one. */
export const telling = (change: (event: NodeEvent) => NodeEvent | undefined): MakeMachine =>
  broken((node) => ({
    pollEvent() {
      for (let event = node.pollEvent(); event !== undefined; event = node.pollEvent()) {
        const changed = change(event);
        if (changed !== undefined) return changed;
      }
      return undefined;
    },
  }));

/** Adds events to those of the node. */
export const alsoTelling = (after: (event: NodeEvent) => NodeEvent | undefined): MakeMachine =>
  broken((node) => {
    const extra: NodeEvent[] = [];
    return {
      pollEvent() {
        const event = extra.shift() ?? node.pollEvent();
        const more = event && after(event);
        if (more !== undefined) extra.push(more);
        return event;
      },
    };
  });

/** Does not hear of some events. */
export const deafTo = (isIgnored: (event: NetworkEvent) => boolean): MakeMachine =>
  broken((node) => ({
    handleNetworkEvent: (nowMs, event) => isIgnored(event) || node.handleNetworkEvent(nowMs, event),
  }));

export const isEnd = (event: NodeEvent): event is QueryFinished => event.type === "queryFinished";

/** Does something else than close. */
export const closing = (close: (node: KadNode, nowMs: InstantMs) => void): MakeMachine =>
  broken((node) => ({ close: (nowMs) => close(node, nowMs) }));
