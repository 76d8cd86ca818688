/** What a node does, written to a file as it happens: `kad node --record FILE`, played again by `kad sim --replay FILE`. */
import type { CreateNodeOptions } from "@kad/dht";
import { oneLine } from "./failure.ts";
import { LineFile } from "./line-file.ts";
import { version } from "./version.ts";

export interface Recording {
  readonly file: string;
  /** For `createNode`. */
  readonly machine: NonNullable<CreateNodeOptions["machine"]>;
  /** Ends the recording and closes the file. To be called when the node is closed, or has not come to be. */
  close(): void;
}

/** What was written last is on the disk after so long. */
const flushMs = 500;

/**
 * Makes the file, which must not exist.
 * @param onTrouble told, once, why the recording has ended before the node: its bound, or the disk
 * @throws (rejects) WrongUsage where there can be no such file
 */
export async function openRecording(file: string, onTrouble: (error: Error) => void): Promise<Recording> {
  const { CallLog, recordedNode } = await import("@kad/sim");
  const sink = LineFile.create(file, "--record");
  const log = new CallLog({
    sink: (line) => sink.write(line),
    about: `kad ${version()}, Node ${process.versions.node}, ${process.platform}`,
  });
  let isTold = false;
  const flush = (): void => {
    sink.flush();
    const isOver = log.state === "full" || sink.failure !== undefined;
    if (!isOver || isTold) return;
    isTold = true;
    const why = sink.failure === undefined ? "it is full" : oneLine(sink.failure.message);
    onTrouble(new Error(`${file}: the recording ends here: ${why}; the node goes on`));
  };
  const timer = setInterval(flush, flushMs).unref();
  return {
    file,
    machine: (options) => recordedNode(options, log),
    close: () => {
      clearInterval(timer);
      log.end();
      flush();
      sink.close();
    },
  };
}
