import { defineConfig } from "vitest/config";

const conditions = ["@kad/source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    passWithNoTests: true,
    benchmark: { include: ["bench/**/*.bench.ts"] },
  },
});
