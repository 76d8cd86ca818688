import { defineConfig } from "vitest/config";

const others = { lines: 90, branches: 90 };

export default defineConfig({
  test: {
    projects: ["packages/*", "adapters/*", "tools/checks"],
    passWithNoTests: true,
    coverage: {
      provider: "v8",
      include: ["{packages,adapters}/*/src/**/*.ts"],
      thresholds: {
        "packages/core/src/**": { lines: 95, branches: 95 },
        "packages/transport-udp/src/**": others,
        "packages/dht/src/**": others,
        "packages/cli/src/**": others,
        "adapters/node/src/**": others,
      },
    },
  },
});
