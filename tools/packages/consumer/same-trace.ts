/** Hashes of whole simulations, every event of them: the same on every engine. */
import { runExperiment, runTrial, Trace } from "@kad/sim";

/** Faults as they are drawn, all kinds among them. */
const seeds = [1, 2, 3];

for (const seed of seeds) {
  const trace = new Trace({ seed });
  const { happenings } = runTrial({ seed, plan: { nodes: 12, chaosMs: 20_000 }, observers: [trace] });
  console.log(`${seed} ${trace.lines} ${trace.hash} ${happenings}`);
}
const churn = { endsPerHour: 5 };
const report = runExperiment({ seed: 7, nodes: 30, loss: 0.1, churn, records: 5, lookups: 20, hours: 0.2 });
console.log(JSON.stringify(report));
console.log("done");
