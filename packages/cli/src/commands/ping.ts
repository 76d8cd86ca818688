/**
 * `kad ping`: whether a node answers, and how fast.
 */
import { withLoneClient } from "../client.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { Failure, oneLine } from "../failure.ts";
import { roundedMs, writeEvent } from "../json.ts";
import { json, timeout, url } from "../options.ts";
import { security } from "../security-options.ts";
import { shownMs } from "../text.ts";

const defaultTimeoutMs = 5_000;

export const ping: Command = defineCommand({
  name: "ping",
  summary: "Ask one node whether it is there, and how fast it answers",
  description: [
    "Prints the node's id and the round-trip time. Where it does not answer, the exit code is 4.",
  ],
  args: [{ name: "URL", summary: "The node: udp://HOST:PORT, tcp://…, ws://…, wss://…" }],
  options: {
    ...security,
    timeout: { ...timeout, summary: "How long to wait for the answer: 500ms, 5s; 5s by default" },
    json,
  },
  examples: [{ line: "kad ping udp://127.0.0.1:4100", does: "is a node running there?" }],
  async run({ options, args, io }) {
    const address = url(args[0] as string);
    const { timeout: timeoutMs = defaultTimeoutMs } = options;
    const { contact, rttMs, reason } = await withLoneClient(io, { url: address, security: options }, (node) =>
      node.ping(address, { timeoutMs, signal: io.signal }),
    );
    if (contact === undefined) {
      const why = reason === undefined || reason === "noAnswer" ? "" : ` (${reason})`;
      const waited = `within ${shownMs(timeoutMs)}${why}`;
      throw new Failure(
        exitCode.unreachable,
        `${oneLine(address)} did not answer ${waited}; is a node running there, and in the same network (--network-key, --insecure)?`,
      );
    }
    const id = contact.id.toHex();
    if (options.json) writeEvent(io.stdout, "pong", { id, address, rttMs: roundedMs(rttMs ?? 0) });
    else io.stdout.write(`${id} at ${address} answered in ${shownMs(rttMs ?? 0)}\n`);
    return exitCode.ok;
  },
});
