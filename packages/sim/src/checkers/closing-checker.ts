import type { GaugeName } from "@kad/core";
import type { HostChange } from "../observer.ts";
import type { SimHost } from "../sim-host.ts";
import type { InstantUs } from "../virtual-time.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/** What must be empty once a node has closed and said its last; the rest is what it knew. */
const emptied: readonly GaugeName[] = [
  "queries",
  "requestsInFlight",
  "pendingRequests",
  "pings",
  "queuedReplies",
  "queuedAnswers",
  "queuedEvents",
  "queuedMessages",
  "replyTokens",
  "sendBytes",
  "pluginTimers",
];

/** After `close` a node has nothing to send, to tell or to wait for. */
export class ClosingChecker implements Checker {
  readonly rule = "nothing is pending after close";

  onHost(_nowUs: InstantUs, host: SimHost, change: HostChange): void {
    if (change !== "closed" || !host.isHonest) return;
    const { node, nowMs } = host;
    if (!node.drained) throw new CheckFailed(this.rule, host, "is not drained");
    const deadline = node.nextDeadline();
    if (deadline !== undefined) throw new CheckFailed(this.rule, host, `still waits for ${deadline.reason}`);
    const transmit = node.pollTransmit(nowMs, new Uint8Array(host.simulation.maxMessageBytes));
    if (transmit !== undefined)
      throw new CheckFailed(this.rule, host, `still sends to ${transmit.path.remote.key}`);
    const event = node.pollEvent();
    if (event !== undefined) throw new CheckFailed(this.rule, host, `still tells ${event.type}`);
    const { gauges } = node.stats();
    const left = emptied.filter((name) => gauges[name].used !== 0);
    if (left.length > 0) throw new CheckFailed(this.rule, host, `still has ${left.join(", ")}`);
  }
}
