/** The page in a real Chromium, against nodes on UDP and WebSocket. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Served, serve } from "../src/serve.ts";

const executable = findChromium();
const reason =
  executable === undefined ? " (skipped: no Chromium; apt-get install chromium, or KAD_CHROMIUM)" : "";

function findChromium(): string | undefined {
  const { KAD_CHROMIUM, PATH = "" } = process.env;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [KAD_CHROMIUM, ...paths].find((path) => path !== undefined && existsSync(path));
}

/** As root, without a display, and without a word to anybody but us. */
const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let served: Served;

beforeAll(async () => {
  served = await serve();
});

afterAll(() => served.close());

describe("what a bundler makes of the page", () => {
  it("is one file that needs nothing of Node", () => {
    const found = /["'`]node:[a-z]|__vite-browser-external|\brequire\(|\bprocess\.|\bBuffer\b/.exec(
      served.script,
    );
    expect(found?.[0]).toBeUndefined();
  });
});

describe.skipIf(executable === undefined)(`a node in Chromium${reason}`, () => {
  let context: BrowserContext;
  let profile: string;
  const errors: string[] = [];

  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), "kad-chromium-"));
    context = await chromium.launchPersistentContext(profile, {
      executablePath: executable as string,
      headless: true,
      args: flags,
    });
  });

  afterAll(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });

  async function openPage(name: string): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico"))
        errors.push(message.text());
    });
    await page.goto(served.pageUrl(name));
    await page.getByText(/^joined as [0-9a-f]{8}, [1-9]/).waitFor({ timeout: 30_000 });
    return page;
  }

  async function submit(page: Page, form: string, text: string): Promise<void> {
    await page.locator(`#${form} input`).fill(text);
    await page.locator(`#${form} button`).click();
  }

  const shown = (page: Page, id: string, text: RegExp) =>
    page.locator(`#${id}`).filter({ hasText: text }).textContent({ timeout: 30_000 });

  it("joins, stores a value that Node's nodes then have, and finds one that they stored", async () => {
    const page = await openPage("alice");
    await submit(page, "put", "from the page");
    const key = await shown(page, "key", /^[0-9a-f]{64}$/);
    const [first, second] = served.nodes;
    expect(key).toBeTruthy();
    const { parseKey } = await import("@kad/dht");
    expect(await first?.getText(parseKey(key as string))).toBe("from the page");
    expect(await second?.getText(parseKey(key as string))).toBe("from the page");
    const put = await second?.put("from Node");
    await submit(page, "get", put?.key.toHex() ?? "");
    expect(await shown(page, "value", /from|nobody/)).toBe("from Node");
    await submit(page, "get", "00".repeat(32));
    expect(await shown(page, "value", /nobody/)).toBe("nobody has it");
    await page.close();
  });

  it("chats with another page, and with Node", async () => {
    const [alice, bob] = [await openPage("alice"), await openPage("bob")];
    await submit(alice, "say", "hello bob");
    await shown(bob, "chat", /alice: hello bob/);
    await submit(bob, "say", "hello alice");
    await shown(alice, "chat", /bob: hello alice/);
    served.room.say("node", "hello pages");
    for (const page of [alice, bob]) {
      await shown(page, "chat", /node: hello pages/);
      expect(await page.locator("#chat li").allTextContents()).toEqual([
        "alice: hello bob",
        "bob: hello alice",
        "node: hello pages",
      ]);
    }
    await Promise.all([alice.close(), bob.close()]);
  });

  it("leaves when its page is closed", async () => {
    const open = () => served.nodes[0]?.stats().connections.webSocket?.accepted.used;
    await expect.poll(open).toBe(0);
    const page = await openPage("carol");
    expect(open()).toBe(1);
    await page.close({ runBeforeUnload: true });
    await expect.poll(open, { timeout: 30_000 }).toBe(0);
    expect(errors).toEqual([]);
  });
});
