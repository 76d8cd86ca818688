import { describe, expect, it } from "vitest";
import { checkRepository } from "../src/repository.ts";

const names: Readonly<Record<string, string>> = {
  "packages/core": "@kad/core",
  "packages/crypto": "@kad/crypto",
  "packages/transport-udp": "@kad/transport-udp",
  "packages/discovery": "@kad/discovery",
  "packages/testkit": "@kad/testkit",
  "packages/dht": "@kad/dht",
  "packages/cli": "@kad/cli",
  "adapters/node": "@kad/loop-node",
  "examples/one": "@kad/example-one",
};
const everything = Object.fromEntries([...Object.values(names), "ws"].map((name) => [name, "1"]));

/** A repository where every package declares all others, as dev dependencies so that only sources are judged. */
function repository(changes: Readonly<Record<string, string>>): Map<string, string> {
  const files = new Map([["package.json", JSON.stringify({ devDependencies: { vitest: "4" } })]]);
  for (const [folder, name] of Object.entries(names)) {
    files.set(`${folder}/package.json`, JSON.stringify({ name, devDependencies: everything }));
  }
  for (const [file, text] of Object.entries(changes)) files.set(file, text);
  return files;
}

function check(changes: Readonly<Record<string, string>>): string[] {
  const files = repository(changes);
  return checkRepository([...files.keys()], (file) => files.get(file)).map(
    ({ file, line, message }) => `${file}:${line}: ${message}`,
  );
}

const declaring = (folder: string, ...dependencies: string[]) => ({
  [`${folder}/package.json`]: JSON.stringify(
    { name: names[folder], dependencies: Object.fromEntries(dependencies.map((one) => [one, "1"])) },
    undefined,
    2,
  ),
});

it("a repository where nothing is wrong has no findings", () => {
  expect(check({})).toEqual([]);
});

describe("core imports nothing", () => {
  it.each([
    ["a Node module", 'import "node:fs";', "node:fs"],
    ["a Node module without its prefix", 'import "fs";', "fs"],
    ["a package", 'import "ws";', "ws"],
    ["a leaf", 'import "@kad/crypto";', "@kad/crypto"],
    ["itself by name", 'import "@kad/core";', "@kad/core"],
    ["a type", 'import type { A } from "ws";', "ws"],
    ["a type in place", 'export type A = import("ws").A;', "ws"],
    ["a re-export", 'export * from "ws";', "ws"],
    ["a named re-export", 'export { a } from "ws";', "ws"],
    ["a dynamic import", 'export const a = import("ws");', "ws"],
    ["a require", 'declare const require: any; require("ws");', "ws"],
  ])("not even %s", (_, code, name) => {
    expect(check({ "packages/core/src/a.ts": `// first line\n${code}` })).toEqual([
      `packages/core/src/a.ts:2: @kad/core imports nothing, not "${name}"`,
    ]);
  });

  it("not even in its package.json", () => {
    expect(check(declaring("packages/core", "ws"))).toEqual([
      'packages/core/package.json:4: @kad/core imports nothing, not "ws"',
    ]);
  });

  it("but its own files", () => {
    expect(check({ "packages/core/src/a.ts": 'export * from "./wire/b.ts";' })).toEqual([]);
  });

  it("and its tests use Node and the root's tools alone", () => {
    const code = 'import "node:fs"; import "vitest"; import "@kad/core"; import "../src/a.ts";';
    expect(check({ "packages/core/test/a.test.ts": code })).toEqual([]);
    expect(check({ "packages/core/test/a.test.ts": 'import "@kad/testkit";' })).toEqual([
      'packages/core/test/a.test.ts:1: @kad/core imports nothing, not "@kad/testkit"',
    ]);
  });
});

describe("imports run toward core", () => {
  it.each([
    ["packages/crypto", "@kad/transport-udp", "is a leaf and may not import its sibling"],
    ["packages/transport-udp", "@kad/loop-node", "is a leaf and may not import its sibling"],
    ["adapters/node", "@kad/transport-udp", "is a leaf and may not import its sibling"],
    ["packages/transport-udp", "@kad/dht", "may not import @kad/dht"],
    ["packages/crypto", "@kad/testkit", "may not import @kad/testkit"],
    ["packages/discovery", "@kad/crypto", "may not import @kad/crypto"],
    ["packages/testkit", "@kad/crypto", "may not import @kad/crypto"],
    ["packages/dht", "@kad/discovery", "may not import @kad/discovery"],
    ["packages/dht", "@kad/cli", "may not import @kad/cli"],
  ])("%s may not import %s", (folder, name, message) => {
    const files = { ...declaring(folder, name), [`${folder}/src/a.ts`]: `import "${name}";` };
    const found = check(files);
    expect(found).toHaveLength(2);
    expect(found[0]).toContain(`${folder}/package.json:4: `);
    expect(found[1]).toContain(`${folder}/src/a.ts:1: `);
    for (const one of found) expect(one).toContain(message);
  });

  it.each([
    ["packages/crypto", "@kad/core"],
    ["packages/discovery", "@kad/core"],
    ["packages/testkit", "@kad/core"],
    ["packages/dht", "@kad/loop-node"],
    ["packages/dht", "@kad/crypto"],
    ["packages/cli", "@kad/discovery"],
    ["examples/one", "@kad/cli"],
    ["packages/transport-udp", "ws"],
  ])("%s may import %s", (folder, name) => {
    expect(check({ ...declaring(folder, name), [`${folder}/src/a.ts`]: `import "${name}";` })).toEqual([]);
  });

  it.each(["discovery", "testkit"])("%s imports no Node module, since it runs in a browser too", (name) => {
    expect(check({ [`packages/${name}/src/a.ts`]: 'import "node:fs";' })).toEqual([
      `packages/${name}/src/a.ts:1: @kad/${name} imports @kad/core alone, not "node:fs"`,
    ]);
  });

  it("a leaf's tests may use a sibling and the testkit, but nothing above", () => {
    const file = "adapters/node/test/a.test.ts";
    expect(check({ [file]: 'import "@kad/transport-udp"; import "@kad/testkit";' })).toEqual([]);
    expect(check({ [file]: 'import "@kad/dht";' })).toHaveLength(1);
  });

  it("a package that has no layer is named", () => {
    expect(check({ "packages/new/package.json": '{ "name": "@kad/new" }' })).toEqual([
      "packages/new/package.json:1: packages/new has no layer: add it to tools/checks/src/layers.ts",
    ]);
  });
});

describe("what is imported is declared", () => {
  it("sources need it in dependencies, since nobody installs the others", () => {
    expect(check({ "packages/crypto/src/a.ts": 'import "ws/lib/a.js";' })).toEqual([
      'packages/crypto/src/a.ts:1: "ws" is not in the dependencies of packages/crypto/package.json',
    ]);
  });

  it("tests need it in any section, or in the root's", () => {
    expect(check({ "packages/crypto/test/a.test.ts": 'import "ws"; import "vitest";' })).toEqual([]);
    expect(check({ "packages/crypto/test/a.test.ts": 'import "k-bucket";' })).toEqual([
      'packages/crypto/test/a.test.ts:1: "k-bucket" is not in the devDependencies of packages/crypto/package.json',
    ]);
  });

  it("a private workspace may use what it has for development", () => {
    const manifest = { name: "@kad/example-one", private: true, devDependencies: { ws: "1" } };
    const files = { "examples/one/package.json": JSON.stringify(manifest) };
    expect(check({ ...files, "examples/one/src/a.ts": 'import "ws"; import "node:fs";' })).toEqual([]);
    expect(check({ ...files, "examples/one/src/a.ts": 'import "@kad/core";' })).toHaveLength(1);
  });
});

describe("relative imports stay inside", () => {
  it("their package", () => {
    expect(check({ "packages/dht/src/a.ts": 'import "../../core/src/a.ts";' })).toEqual([
      'packages/dht/src/a.ts:1: "../../core/src/a.ts" leaves packages/dht: import the other package by its name',
    ]);
  });

  it("and src, which is what is published", () => {
    expect(check({ "packages/dht/src/a.ts": 'import "../test/a.ts";' })).toEqual([
      'packages/dht/src/a.ts:1: "../test/a.ts" leaves src, which is all that is published',
    ]);
  });
});
