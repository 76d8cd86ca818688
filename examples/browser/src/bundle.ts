/** The page's program in one file, as any bundler would make it. */
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";

export async function bundlePage(): Promise<string> {
  const result = (await build({
    root: fileURLToPath(new URL("..", import.meta.url)),
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@kad/source", "browser"] },
    build: {
      write: false,
      target: "es2022",
      rollupOptions: { input: fileURLToPath(new URL("page.ts", import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput;
  const chunk = result.output.find((output) => output.type === "chunk");
  if (chunk === undefined || result.output.length !== 1) throw new Error("the page should be one file");
  return chunk.code;
}
