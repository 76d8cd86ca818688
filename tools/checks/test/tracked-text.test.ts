import { describe, expect, it } from "vitest";
import { checkRepository } from "../src/repository.ts";

const check = (file: string, text: string) => checkRepository([file], () => text);

// Put together here, so that this file passes its own check.
const path = (home: string) => ["", home, "ada", "kad"].join("/");

describe("paths of one machine", () => {
  it.each(["work", "home", "root", "Users"])("a path under %s is found in any file", (home) => {
    expect(check("docs/a.md", `one\nsee ${path(home)}`)).toMatchObject([{ file: "docs/a.md", line: 2 }]);
    expect(check("a.json", `{ "a": "${path(home)}" }`)).toHaveLength(1);
  });

  it.each([`https://example.org${path("home")}`, `..${path("root")}`, `docs${path("work")}`, "/workers/"])(
    "%s is not one",
    (text) => {
      expect(check("docs/a.md", text)).toEqual([]);
    },
  );
});

describe("registry hosts", () => {
  it("a resolved host in the lock is found", () => {
    expect(check("package-lock.json", '{\n  "resolved": "https://example.org/a.tgz"\n}')).toMatchObject([
      { file: "package-lock.json", line: 2 },
    ]);
  });

  it("a workspace link in the lock passes", () => {
    expect(check("package-lock.json", '{ "resolved": "packages/core" }')).toEqual([]);
  });

  it("a registry in .npmrc is found", () => {
    expect(check(".npmrc", "fund=false\nregistry=https://example.org\n")).toMatchObject([{ line: 2 }]);
    expect(check(".npmrc", "@kad:registry=https://example.org\n")).toHaveLength(1);
    expect(check(".npmrc", "omit-lockfile-registry-resolved=true\n")).toEqual([]);
  });
});

it("a file that cannot be read as text is left out", () => {
  expect(checkRepository(["a.png"], () => undefined)).toEqual([]);
});

it("the rules on sources apply where they belong", () => {
  const code = "declare const b: Uint8Array; b.slice(); Date.now();";
  const files = new Map([
    ["packages/core/package.json", '{ "name": "@kad/core" }'],
    ["packages/core/src/a.ts", code],
    ["packages/core/test/a.test.ts", code],
    ["adapters/node/package.json", '{ "name": "@kad/loop-node" }'],
    ["adapters/node/src/a.ts", code],
  ]);
  const found = checkRepository([...files.keys()], (file) => files.get(file)).map(({ file }) => file);
  expect(found).toEqual(["packages/core/src/a.ts", "packages/core/src/a.ts", "adapters/node/src/a.ts"]);
});
