/** The commands, in the order of help. */
import type { Command } from "./command.ts";
import { announce } from "./commands/announce.ts";
import { demo } from "./commands/demo.ts";
import { explain } from "./commands/explain.ts";
import { find } from "./commands/find.ts";
import { get } from "./commands/get.ts";
import { newSecret } from "./commands/new.ts";
import { node } from "./commands/node.ts";
import { ping } from "./commands/ping.ts";
import { providers } from "./commands/providers.ts";
import { put } from "./commands/put.ts";
import { set } from "./commands/set.ts";
import { sim } from "./commands/sim.ts";
import { stats } from "./commands/stats.ts";

export const commands: readonly Command[] = [
  node,
  demo,
  put,
  get,
  set,
  announce,
  providers,
  find,
  ping,
  explain,
  stats,
  newSecret,
  sim,
];
