import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

/** Percent of lines and of branches, for each package by itself: a well-tested one may not hide another. */
const thresholds = Object.fromEntries(
  ["packages", "adapters"].flatMap((parent) =>
    readdirSync(new URL(parent, import.meta.url)).map((name) => {
      const percent = name === "core" ? 95 : 90;
      return [`${parent}/${name}/src/**`, { lines: percent, branches: percent }];
    }),
  ),
);

export default defineConfig({
  test: {
    projects: ["packages/*", "adapters/*", "tools/checks", "tools/options", "tools/snippets"],
    passWithNoTests: true,
    coverage: {
      provider: "v8",
      include: ["{packages,adapters}/*/src/**/*.ts"],
      reporter: ["text", "html"],
      thresholds,
    },
  },
});
