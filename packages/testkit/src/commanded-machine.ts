import type { Commands, Machine, NodeEvent } from "@kad/core";

/** A node, or a stack around one that forwards its commands. */
export type CommandedMachine = Machine<NodeEvent> & Commands;
