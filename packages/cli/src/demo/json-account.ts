/**
 * A demo for programs: every event as it comes, one JSON object a line.
 */
import type { Output } from "../io.ts";
import { roundedNumbers, writeEvent } from "../json.ts";
import type { Account, DemoEvent } from "./events.ts";
import { Ledger } from "./ledger.ts";

export class JsonAccount implements Account {
  readonly #output: Output;
  readonly #ledger = new Ledger();

  constructor(output: Output) {
    this.#output = output;
  }

  tell(event: DemoEvent): void {
    this.#ledger.tell(event);
    const { type, ...fields } = event;
    const { effort, ...others } = { effort: undefined, ...fields };
    const summary = type === "stepEnd" ? this.#ledger.summary : undefined;
    writeEvent(this.#output, type, roundedNumbers({ ...others, ...effort, ...summary }));
  }

  close(): void {}
}
