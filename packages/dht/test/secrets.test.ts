/** Identities and network keys, in files and out of them. */
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createIdentity,
  createNetworkKey,
  loadIdentity,
  loadNetworkKey,
  loadOrCreateIdentity,
  saveIdentity,
  saveNetworkKey,
} from "../src/index.ts";
import { rejection } from "./support/network.ts";

let folder = "";
const path = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-secrets-"));
});
afterAll(() => rm(folder, { recursive: true }));

const hasModes = process.platform !== "win32";

describe("an identity", () => {
  it("is saved for its owner's eyes alone, and is the same when it is loaded", async () => {
    const identity = await createIdentity();
    await saveIdentity(path("saved"), identity);
    if (hasModes) expect((await stat(path("saved"))).mode & 0o777).toBe(0o600);
    expect((await loadIdentity(path("saved"))).publicKey).toEqual(identity.publicKey);
    expect(await rejection(saveIdentity(path("saved"), identity))).toMatchObject({ code: "fileExists" });
  });

  it("is made where there is none, once, however many ask at the same time", async () => {
    const asked = Array.from({ length: 5 }, () => loadOrCreateIdentity(path("made")));
    const [first, ...others] = await Promise.all(asked);
    for (const { publicKey } of others) expect(publicKey).toEqual(first?.publicKey);
    expect((await loadOrCreateIdentity(path("made"))).publicKey).toEqual(first?.publicKey);
  });
});

describe("a network key", () => {
  it("is saved for its owner's eyes alone, and is the same when it is loaded", async () => {
    const key = await createNetworkKey();
    await saveNetworkKey(path("key"), key);
    if (hasModes) expect((await stat(path("key"))).mode & 0o777).toBe(0o600);
    expect((await loadNetworkKey(path("key"))).exportHex()).toBe(key.exportHex());
    expect((await createNetworkKey()).exportHex()).not.toBe(key.exportHex());
  });
});

describe("what is wrong with a file is said with its name, and without what stands in it", () => {
  it.each([
    ["an identity that is not there", loadIdentity, undefined, "fileNotFound"],
    ["an identity that is none", loadIdentity, "hunter2", "fileMalformed"],
    ["an empty identity", loadIdentity, "", "fileMalformed"],
    ["a broken identity that is not made anew", loadOrCreateIdentity, "hunter2", "fileMalformed"],
    ["a network key that is not there", loadNetworkKey, undefined, "fileNotFound"],
    ["a network key that is none", loadNetworkKey, "hunter2", "fileMalformed"],
  ] as const)("%s", async (title, load, text, code) => {
    const file = path(title.replaceAll(" ", "-"));
    if (text !== undefined) await writeFile(file, text, { mode: 0o600 });
    const error = (await rejection(load(file))) as Error;
    expect(error).toMatchObject({ code, message: expect.stringContaining(file) });
    expect(error.message).not.toContain("hunter2");
    if (text !== undefined) expect(await readFile(file, "utf8")).toBe(text);
  });

  it("an identity that others may read", async ({ skip }) => {
    if (!hasModes) skip("this system has no modes of files");
    await saveIdentity(path("shown"), await createIdentity());
    await chmod(path("shown"), 0o644);
    expect(await rejection(loadIdentity(path("shown")))).toMatchObject({ code: "fileNotPrivate" });
  });

  it("an identity where a network key is wanted", async () => {
    await saveIdentity(path("identity"), await createIdentity());
    expect(await rejection(loadNetworkKey(path("identity")))).toMatchObject({ code: "fileMalformed" });
  });
});
