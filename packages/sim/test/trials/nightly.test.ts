import { describe } from "vitest";
import { trials } from "./trials.ts";

const { KAD_NIGHTLY, KAD_SEED }: { readonly KAD_NIGHTLY?: string; readonly KAD_SEED?: string } = process.env;

/** Other seeds than those of the usual run, and another thousand each night that names one: `KAD_SEED=20260101`. */
const first = KAD_SEED === undefined ? 1_001 : Number(KAD_SEED);

describe.skipIf(KAD_NIGHTLY === undefined)(
  "thousands of networks under faults, only with KAD_NIGHTLY=1",
  () => {
    trials(first, first + 2_999);
  },
);
