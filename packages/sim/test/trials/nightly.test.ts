import { describe, it } from "vitest";
import { trials } from "./trials.ts";

const { KAD_NIGHTLY, KAD_SEED }: { readonly KAD_NIGHTLY?: string; readonly KAD_SEED?: string } = process.env;

/** Other seeds than those of the usual run, and another thousand each night that names one: `KAD_SEED=20260101`. */
const first = KAD_SEED === undefined ? 1_001 : Number(KAD_SEED);

describe("thousands of networks under faults", () => {
  if (KAD_NIGHTLY !== undefined) trials(first, first + 2_999);
  else it.skip("run at night, only with KAD_NIGHTLY=1: 3,000 take half an hour and more", () => undefined);
});
