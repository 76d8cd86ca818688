/**
 * `kad node`: a node that lives until it is told to end.
 */
import type { NodeLimits } from "@kad/core";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { bootstrap, count, json } from "../options.ts";
import { openRecording } from "../recording.ts";
import { security } from "../security-options.ts";
import { announced, endOfRun, exitWithStdin, joinTimeout, listen, serve } from "../server.ts";
import { serverView } from "../server-view.ts";

/** Of a record with its key, and whatever is stored beside its value. */
const maxBytesOfRecord = 1_100;
/** A source may fill so much of the room; as much as by default. */
const shareOfSource = 1 / 4;

export const node: Command = defineCommand({
  name: "node",
  summary: "Start a node and keep it running until Ctrl-C or SIGTERM",
  description: [
    "A node answers others, keeps records for them, and renews what it knows of the network. Without --bootstrap it is " +
      "the first node of a network of its own.",
    "Without --listen it takes a free port: on loopback when every --bootstrap address is there or none is given, else " +
      "on every interface.",
    "Everything is encrypted, and peers prove who they are. With --network-key only those get an answer who have it too.",
    "With --json the first line is the event listening, with id and addresses; then come joined, peer (a peer has " +
      "answered), error and, at the end, stopped.",
  ],
  options: {
    listen,
    announce: announced,
    bootstrap,
    "max-records": {
      value: "N",
      summary: "Records to keep for others, 1 kB of memory each; 1,024 by default",
      parse: count(1, 1_000_000),
    },
    ...security,
    timeout: joinTimeout,
    record: {
      value: "FILE",
      summary:
        "Write down every call on the node, in plain text, so that kad sim --replay FILE does the same again: for a report of " +
        "what went wrong",
      parse: (text: string) => text,
    },
    "exit-with-stdin": exitWithStdin,
    json,
  },
  examples: [
    { line: "kad node --listen udp://0.0.0.0:4100", does: "the first node of a network, for other machines" },
    { line: "kad node --bootstrap udp://192.0.2.7:4100", does: "join that network from another machine" },
    {
      line: "kad node --listen udp://0.0.0.0:4100 --listen tcp://0.0.0.0:4100 --listen ws://0.0.0.0:4101",
      does: "for those without UDP, and for pages",
    },
    {
      line: "kad node --listen ws://127.0.0.1:4101/kad --announce wss://worker-7.example/kad",
      does: "behind a proxy or a tunnel",
    },
    {
      line: "kad node --identity ~/.kad-identity --network-key ~/.kad-network-key",
      does: "always the same node, of a private network; kad new has made the files",
    },
    {
      line: "kad node --record node.jsonl",
      does: "what it did can be played again: kad sim --replay node.jsonl",
    },
    {
      line: "kad node --listen udp://127.0.0.1:0 --json",
      does: "for a program, which reads the port from line one",
    },
  ],
  async run({ options, io }) {
    const { bootstrap: seeds, "max-records": maxRecords, record, json: isJson } = options;
    const limits = maxRecords === undefined ? {} : roomFor(maxRecords);
    const view = serverView(io, isJson);
    const recording =
      record === undefined ? undefined : await openRecording(record, (error) => view.error(error));
    try {
      await serve(
        {
          listen: options.listen,
          announced: options.announce,
          bootstrap: seeds,
          timeoutMs: options.timeout,
          security: options,
          limits,
          recording,
        },
        view,
        endOfRun(io, options["exit-with-stdin"]),
      );
    } finally {
      recording?.close();
    }
    return exitCode.ok;
  },
});

function roomFor(maxRecords: number): Partial<NodeLimits> {
  return {
    maxRecords,
    maxRecordBytes: maxRecords * maxBytesOfRecord,
    maxRecordsPerSource: Math.ceil(maxRecords * shareOfSource),
  };
}
