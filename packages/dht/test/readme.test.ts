import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const printed: string[] = [];
const print = vi.spyOn(console, "log").mockImplementation((line) => void printed.push(line));

beforeAll(() => import("./support/readme-example.ts"));
afterAll(() => print.mockRestore());

describe("the README", () => {
  it("opens with code that runs and prints what it says", () => {
    expect(printed).toEqual(["hello"]);
  });

  it("shows the very code that ran here", async () => {
    const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), "utf8");
    const [readme, example] = await Promise.all([read("../README.md"), read("./support/readme-example.ts")]);
    const shown = /```ts\n(.*?)```/s.exec(readme)?.[1];
    expect(shown?.replace('"@kad/dht"', '"../../src/index.ts"')).toBe(example);
  });
});
