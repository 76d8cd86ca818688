import { mergeConfig } from "vitest/config";
import shared from "../../vitest.shared.ts";

// A simulation takes its time on a machine that has other things to do.
export default mergeConfig(shared, { test: { testTimeout: 120_000 } });
