import { defineConfig } from "vitest/config";

const conditions = ["@kad/source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // Against hanging only: on a busy machine, work that takes a second may take many.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    include: ["test/**/*.test.ts"],
    passWithNoTests: true,
    benchmark: { include: ["bench/**/*.bench.ts"] },
  },
});
