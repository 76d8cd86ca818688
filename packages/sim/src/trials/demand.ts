/** How much progress is demanded of a network that has recovered. */
import type { NodeLimits } from "@kad/core";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProgressReport } from "./progress.ts";
import { NoProgress } from "./trial-error.ts";

/** With smaller buckets, tables do not name everybody near a target. */
const usualBucketSize = 8;
/** Limits that let holders refuse records, or lookups end before they have converged, by design. */
const limitsOnRecords: readonly (keyof NodeLimits)[] = [
  "maxRecords",
  "maxRecordBytes",
  "maxRecordsPerSource",
  "maxSources",
  "requestBurst",
];

/** @throws NoProgress */
export function demand(progress: ProgressReport, { limits }: FaultPlan): void {
  const { alone, hosts, recall, accepted, found, gets, oldFound, oldGets } = progress;
  const isCramped = (limits.bucketSize ?? usualBucketSize) < usualBucketSize;
  const isFull = limitsOnRecords.some((name) => limits[name] !== undefined);
  if (alone > 0) throw new NoProgress(`${alone} of ${hosts} hosts know nobody`);
  const leastRecall = isCramped ? 0.75 : 0.97;
  if (recall < leastRecall) throw new NoProgress(`lookups find ${percent(recall)} of those they should`);
  if (!isFull && !isCramped && accepted < 0.95)
    throw new NoProgress(`${percent(accepted)} of the nodes nearest to a key take a record`);
  if (!isFull && found < gets) throw new NoProgress(`${found} of ${gets} new records are found`);
  if (oldFound < oldGets) throw new NoProgress(`${oldFound} of ${oldGets} records from before are found`);
}

function percent(share: number): string {
  return `${Math.round(1_000 * share) / 10} %`;
}
