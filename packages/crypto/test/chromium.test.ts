/** The main entry in a page: bundled as for a browser, and run in Chromium where there is one. */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { build, type Rolldown } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hex, unhex } from "./support/hex.ts";
import type { PageProgram } from "./support/page-program.ts";
import { vectorFile } from "./support/transcripts.ts";

const executable = findChromium();
const reason =
  executable === undefined ? " (skipped: no Chromium; apt-get install chromium, or KAD_CHROMIUM)" : "";

function findChromium(): string | undefined {
  const { KAD_CHROMIUM, PATH = "" } = process.env;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [KAD_CHROMIUM, ...paths].find((path) => path !== undefined && existsSync(path));
}

let script: string;

beforeAll(async () => {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@kad/source", "browser"] },
    build: {
      write: false,
      target: "es2022",
      rollupOptions: { input: fileURLToPath(new URL("support/page-program.ts", import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput;
  expect(output).toHaveLength(1);
  script = output[0].code;
});

it("a bundle for browsers needs nothing of Node", () => {
  const found = /["'`]node:|__vite-browser-external|\brequire\(|\bprocess\.|\bBuffer\b/.exec(script);
  expect(found?.[0]).toBeUndefined();
  expect(script.length).toBeGreaterThan(50_000);
});

describe.skipIf(executable === undefined)(`in Chromium${reason}`, () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executable as string,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
    });
    page = await browser.newPage();
    await page.addScriptTag({ content: script, type: "module" });
    await page.waitForFunction("globalThis.program !== undefined");
  });

  afterAll(() => browser.close());

  it.each(["udp", "tcp"] as const)("two channels shake hands and speak, over %s", async (scheme) => {
    const heard = await page.evaluate(
      (chosen) =>
        (globalThis as unknown as { program: PageProgram }).program.said(chosen, "from page to page"),
      scheme,
    );
    expect(heard).toBe("from page to page");
  });

  it("a record has the bytes that it has elsewhere", async () => {
    const { owner, mutable } = JSON.parse(readFileSync(vectorFile("records"), "utf8"));
    const { name, seq, salt, ttlSeconds, value, body } = mutable[1];
    expect(name).toBe("with a salt");
    const given = {
      seq,
      ttlSeconds,
      seed: [...unhex(owner.identitySeed)],
      salt: [...unhex(salt)],
      value: [...unhex(value)],
    };
    const bytes = await page.evaluate(
      ({ seed, salt: saltBytes, value: valueBytes, ...rest }) =>
        (globalThis as unknown as { program: PageProgram }).program.signed({
          ...rest,
          identitySeed: Uint8Array.from(seed),
          salt: Uint8Array.from(saltBytes),
          value: Uint8Array.from(valueBytes),
        }),
      given,
    );
    expect(hex(Uint8Array.from(bytes))).toBe(body);
  });
});
