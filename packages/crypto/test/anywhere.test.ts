/** The package runs wherever JavaScript does: only `@kad/crypto/node` may know Node. */
import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const source = new URL("../src/", import.meta.url);

/** Every file that an entry brings along, with its text, and the packages that these import. */
function closureOf(entry: string): { readonly files: Map<string, string>; readonly packages: Set<string> } {
  const files = new Map<string, string>();
  const packages = new Set<string>();
  const visit = (url: URL): void => {
    if (files.has(url.href)) return;
    const text = readFileSync(url, "utf8");
    files.set(url.href, text);
    for (const [, from, bare] of text.matchAll(
      /^(?:import|export|\}).*? from "([^"\n]+)";$|^import "([^"]+)";$/gm,
    )) {
      const specifier = from ?? bare ?? "";
      if (specifier.startsWith(".")) visit(new URL(specifier, url));
      else packages.add(specifier);
    }
  };
  visit(new URL(entry, source));
  return { files, packages };
}

it("the main entry imports core and the noble packages, and nothing else", () => {
  const { packages, files } = closureOf("index.ts");
  expect(files.size).toBeGreaterThan(50);
  expect([...packages].toSorted()).toEqual([
    "@kad/core",
    "@noble/ciphers/chacha.js",
    "@noble/curves/abstract/modular.js",
    "@noble/curves/abstract/montgomery.js",
    "@noble/ed25519",
    "@noble/hashes/hmac.js",
    "@noble/hashes/sha2.js",
  ]);
});

it("nothing that it imports names what only Node has", () => {
  for (const [file, text] of closureOf("index.ts").files) {
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    expect(
      `${file}: ${/\b(Buffer|process|require|__dirname|setImmediate)\b/.exec(code)?.[0] ?? "nothing"}`,
    ).toBe(`${file}: nothing`);
  }
});

it("what imports Node is reached by the other entry alone", () => {
  const { packages } = closureOf("node/index.ts");
  expect([...packages].some((name) => name.startsWith("node:"))).toBe(true);
  for (const file of closureOf("index.ts").files.keys()) expect(file).not.toContain("/src/node/");
  expect(existsSync(new URL("node/index.ts", source))).toBe(true);
});
