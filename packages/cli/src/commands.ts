/** The commands, in the order of help. */
import type { Command } from "./command.ts";
import { demo } from "./commands/demo.ts";
import { node } from "./commands/node.ts";

export const commands: readonly Command[] = [node, demo];
