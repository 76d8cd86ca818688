/**
 * What `put` and `set` say in the end.
 */
import type { PutResult } from "@kad/dht";
import type { Progress } from "./client.ts";
import type { Io } from "./io.ts";
import { writeEvent } from "./json.ts";
import { describeEffort, effortFields } from "./walk.ts";

/** The key stands alone on the last line of stdout. */
export function tellStored(
  io: Io,
  isJson: boolean,
  progress: Progress,
  put: PutResult,
  said: { readonly bytes: number; readonly owner?: string },
): void {
  const { key, accepted, asked, stats } = put;
  progress.summary(`stored on ${accepted} of ${asked} holders: ${describeEffort(stats)}`);
  if (isJson) {
    const fields = { key: key.toHex(), kind: "record", ...said, accepted, asked };
    writeEvent(io.stdout, "stored", { ...fields, ...effortFields(stats) });
  } else {
    io.stdout.write(`${key.toHex()}\n`);
  }
}
