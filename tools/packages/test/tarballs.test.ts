import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { succeed } from "../src/process.ts";
import { pack, published, root, type Tarball } from "../src/tarballs.ts";

/** What packages bring along that is not ours. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  "@kad/crypto": ["@noble/ciphers", "@noble/curves", "@noble/ed25519", "@noble/hashes"],
  "@kad/transport-websocket": ["ws"],
};

let folder: string;
let tarballs: readonly Tarball[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-tarballs-"));
  tarballs = await pack(folder);
}, 60_000);

afterAll(() => rm(folder, { recursive: true }));

describe.each([...published()])("the tarball of %s", (source, name) => {
  const contents = () => tarballs.find((one) => one.name === name)?.contents ?? [];

  it("has what a user needs", () => {
    const needed = [
      "LICENSE-APACHE",
      "LICENSE-MIT",
      "README.md",
      "package.json",
      "dist/index.js",
      "dist/index.d.ts",
      "dist/index.d.ts.map",
      "dist/index.js.map",
      "src/index.ts",
    ];
    expect(contents()).toEqual(expect.arrayContaining(needed));
  });

  it("has nothing else: no tests, no configuration, no build information", () => {
    const allowed =
      /^(?:(?:dist|src)\/[a-z0-9/-]+\.(?:js|ts|d\.ts|js\.map|d\.ts\.map)|bin\/kad\.js|vectors\/[a-z0-9-]+\.json)$/;
    const top = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"];
    expect(contents().filter((path) => !allowed.test(path) && !top.includes(path))).toEqual([]);
  });

  it("has for each module its source, and no module whose source is gone", () => {
    const modules = (start: string, end: string) =>
      contents().flatMap((path) =>
        path.startsWith(start) && path.endsWith(end) ? [path.slice(start.length, -end.length)] : [],
      );
    const sources = modules("src/", ".ts");
    expect(modules("dist/", ".js")).toEqual(sources);
    expect(modules("dist/", ".d.ts")).toEqual(sources);
  });

  it.each(["LICENSE-APACHE", "LICENSE-MIT"])("has %s as the repository has it", async (licence) => {
    const [ours, theirs] = await Promise.all(
      [root, join(root, source)].map((place) => readFile(join(place, licence), "utf8")),
    );
    expect(theirs).toBe(ours);
  });

  it.each(["docs", "packages", "snippets"])("is built before tools/%s needs it", async (tool) => {
    const manifest = await readFile(join(root, "tools", tool, "package.json"), "utf8");
    expect(JSON.parse(manifest)).toHaveProperty(["dependencies", name]);
  });

  it("depends on nothing but the other packages, and what its README gives a reason for", async () => {
    const { file } = tarballs.find((one) => one.name === name) as Tarball;
    const manifest = await succeed(["tar", "-xOzf", file, "package/package.json"], { cwd: folder });
    const { dependencies = {} } = JSON.parse(manifest) as { dependencies?: Record<string, string> };
    const others = Object.keys(dependencies).filter(
      (one) => !tarballs.some((tarball) => tarball.name === one),
    );
    expect(others).toEqual(foreign[name] ?? []);
    const readme = await readFile(join(root, source, "README.md"), "utf8");
    for (const other of others) expect(readme).toContain(`\`${other}\``);
  });
});
