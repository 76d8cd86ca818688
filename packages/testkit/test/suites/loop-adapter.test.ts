import { describe, it } from "vitest";
import {
  HandLoop,
  intercept,
  type LoopAdapterSuiteOptions,
  type LoopHarness,
  loopAdapterCases,
  loopAdapterSuite,
  type MakeLoop,
  MemoryNetwork,
} from "../../src/index.ts";
import { FaultyLoop, type LoopFault } from "../support/faulty-loop.ts";
import { describeMutants } from "../support/mutants.ts";
import { goldenTraces } from "../support/traces.ts";

const synchronous: LoopAdapterSuiteOptions = {
  isSynchronous: true,
  traces: goldenTraces,
  patienceMs: 500,
  runner: { describe, it },
};

loopAdapterSuite(() => new HandLoop({ turnMs: 0.5, network: new MemoryNetwork({ link: () => [1] }) }), {
  ...synchronous,
  name: "the testkit's own HandLoop",
});

loopAdapterSuite(() => new FaultyLoop(), { ...synchronous, name: "the loop for mutants, without a fault" });

/** The same loop, as one in which promises go on: after each millisecond of its time. */
function inSlices(loop: FaultyLoop): LoopHarness {
  return intercept<LoopHarness>(loop, {
    async run(isDone, forMs) {
      for (let ms = 0; ms < forMs && !isDone(); ms++) await loop.run(isDone, 1);
    },
  });
}

const asynchronous: LoopAdapterSuiteOptions = { patienceMs: 500, runner: { describe, it } };

loopAdapterSuite(() => inSlices(new FaultyLoop()), { ...asynchronous, name: "the same, with promises" });

/** Mutants that each have one of the faults. */
const having = (...faults: readonly LoopFault[]): Record<string, MakeLoop> =>
  Object.fromEntries(faults.map((fault) => [fault, () => new FaultyLoop(fault)]));

describeMutants(
  loopAdapterCases,
  synchronous,
  {
    "rule 4: time goes forward only, in milliseconds of the loop's clock": having("counts seconds"),
    "a deadline wakes a loop to which nothing else happens": having("has no timer"),
    "a deadline that moves nearer is handled at its new time": having("keeps the first timer"),
    "a deadline that has passed already is handled soon": having("sets no timer for what has passed"),
    "a deadline beyond 2^31 ms neither fires at once nor keeps the loop busy":
      having("lets long delays overflow"),
    "an idle loop sleeps, up to a fraction of a millisecond too": having("spins"),
    "rule 8: what has arrived is delivered before time passes": having("runs scheduled pumps at once"),
    "rule 8: a deadline that passed while the loop was blocked is handled all the same": having(
      "forgets timers that are late",
    ),
    "rule 8: steady traffic starves no deadline": having("reads the clock only when nothing has arrived"),
    "a message that arrives while the loop sleeps wakes it, and is answered at once": having(
      "does not pump what has arrived",
    ),
    "what a command has to say leaves at once, not at the next deadline": having(
      "does not pump after commands",
    ),
    "nothing is unsent when the loop sleeps: all is polled, handed out and flushed": having("does not flush"),
    "borrowed buffers may be overwritten after every call, and every message is whole":
      having("hands in messages later"),
    "rule 5: a spent budget always schedules another pump": having("does not schedule"),
    "rule 5: a machine that always has something to say starves neither input nor time": having(
      "runs what is scheduled before it polls",
    ),
    "rule 1: a command given in a callback is sent by the pump under way, and a nested pump returns at once":
      having("runs commands of callbacks later"),
    "rule 1: a node may be closed in a callback, and what it still has to say leaves": having(
      "closes its transports at once",
    ),
    "rule 3: a callback that throws reaches report, and no event is lost": having("reports nothing"),
    "rule 3: a callback that rejects reaches report": {
      "reports nothing": () => inSlices(new FaultyLoop("reports nothing")),
    },
    "an error of a transport that concerns no one message reaches report": having(
      "reports nothing of transports",
    ),
    "callbacks alone suffice: question and answer need no promise": having("runs on promises"),
    "the node is told its addresses": having("tells no addresses"),
    "the node is told the wall clock at the start": having(
      "tells no wall clock",
      "tells seconds of the wall clock",
    ),
    "a transport that cannot open fails the start with its error, and leaves nothing behind": having(
      "opens what cannot open",
      "keeps a node whose transport cannot open",
    ),
    "nodes find each other: a record stored through one is read through another": having("goes deaf"),
    "rule 7: what was queued leaves when the node is closed": having("closes its transports first"),
    "rule 7: nothing is called, sent or told once the node is closed": having("goes on after closing"),
    "rule 7: closing twice is closing once": having("closes once only"),
    "rule 7: nothing leaks: every handle is freed": having("leaks its transports"),
    "golden traces: in lockstep, the same inputs give the same bytes and events as in every other loop":
      having("hands in messages later", "has no timer", "goes deaf"),
  },
  { "rule 3: a callback that rejects reaches report": asynchronous },
);
