/**
 * A node that runs until a signal comes: the wait ends, the program returns to Node's loop, and the handler runs there. It ends
 * when its input does: more signals may be on their way until then.
 */
import { writeSync } from "node:fs";
import { start } from "../epoll-nodes.ts";

const say = (text: string): number => writeSync(1, `${text}\n`);

process.on("SIGTERM", () => say("handler"));
const { node } = start({
  wait: process.argv[2] === "poll" ? "poll" : "epoll",
  onInterrupt() {
    say("interrupted");
    node.stop();
  },
});
say("running");
node.run();
say(`stopped, interrupts: ${node.stats().interrupts}`);
node.close();
setTimeout(() => say("turned"), 0);
process.stdin.resume();
