import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SeedIdentity } from "../src/identity.ts";
import { NetworkKey } from "../src/network.ts";
import {
  loadIdentity,
  loadNetworkKey,
  loadOrCreateIdentity,
  SecretFileError,
  saveIdentity,
  saveNetworkKey,
} from "../src/node/index.ts";
import { hex, unhex } from "./support/hex.ts";
import { native, noble } from "./support/providers.ts";

const hasModes = process.platform !== "win32";
const seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const identity = SeedIdentity.fromSeed(native, seed);
const pem = `kad identity a82ff3a77448d3218dfe58e5ac352d1c9907bbbb13f7092989ca039010949710
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kad-crypto-"));
  file = join(folder, "identity.pem");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string, mode = 0o600): void {
  writeFileSync(file, text);
  chmodSync(file, mode);
}

describe("an identity file", () => {
  it("is PEM of mode 0600, and comes back as the same identity", async () => {
    await saveIdentity(file, identity);
    expect(readFileSync(file, "utf8")).toBe(pem);
    if (hasModes) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["identity.pem"]);
    const loaded = await loadIdentity(file, noble);
    expect(hex(loaded.exportSeed())).toBe(hex(seed));
  });

  it("may come from another tool, without the line in front", async () => {
    write(pem.slice(pem.indexOf("-----BEGIN")).replaceAll("\n", "\r\n"));
    expect((await loadIdentity(file, native)).id.equals(identity.id)).toBe(true);
  });

  it.skipIf(!hasOpenssl())("may come from openssl, which reads ours (skipped without openssl)", async () => {
    execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", file]);
    chmodSync(file, 0o600);
    const theirs = await loadIdentity(file, native);
    const ours = join(folder, "ours.pem");
    await saveIdentity(ours, theirs);
    const der = execFileSync("openssl", ["pkey", "-in", ours, "-pubout", "-outform", "DER"]);
    expect(hex(der.subarray(-32))).toBe(hex(theirs.publicKey));
  });

  it("is never written over", async () => {
    await saveIdentity(file, identity);
    const other = SeedIdentity.fromSeed(native, new Uint8Array(32));
    await expect(saveIdentity(file, other)).rejects.toMatchObject({ code: "fileExists", path: file });
    expect(readFileSync(file, "utf8")).toBe(pem);
    expect(readdirSync(folder)).toEqual(["identity.pem"]);
  });

  it("is made where there is none, and loaded where there is one", async () => {
    const made = await loadOrCreateIdentity(file, native);
    const loaded = await loadOrCreateIdentity(file, native);
    expect(loaded.id.equals(made.id)).toBe(true);
  });

  it("is the same for all who make it at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateIdentity(file, native)));
    expect(new Set(all.map(({ id }) => id.toHex())).size).toBe(1);
  });

  it.skipIf(!hasModes)("is refused when others may read or write it (skipped without modes)", async () => {
    for (const [mode, shown] of [
      [0o640, "0640"],
      [0o604, "0604"],
      [0o620, "0620"],
    ] as const) {
      write(pem, mode);
      const loading = loadIdentity(file, native);
      await expect(loading).rejects.toMatchObject({ code: "fileNotPrivate", path: file });
      await expect(loading).rejects.toThrow(`${file}: its mode is ${shown}, so others`);
      await expect(loading).rejects.toThrow("expected is 0600");
    }
    write(pem, 0o400);
    expect((await loadIdentity(file, native)).id.equals(identity.id)).toBe(true);
  });

  it.each([
    ["is empty", ""],
    ["holds no PEM", "hello"],
    ["has no end", pem.replace("-----END", "----")],
    ["has its end in front", `-----END PRIVATE KEY-----\n${pem}`.replace(/\n-----END.*\n$/, "")],
    ["is cut", pem.replace("MC4CAQAwBQYDK2VwBCIE", "")],
    ["holds a key of another kind", pem.replace("K2VwBCIE", "K2VuBCIE")],
    ["holds a short key", pem.replace("rn9g", "")],
    ["holds a long key", pem.replace("rn9g", "rn9grn9g")],
    ["holds other characters", pem.replace("rn9g", "rn9*")],
    ["is very long", pem + "x".repeat(5_000)],
  ])("that %s is refused with what is expected, and nothing of its content", async (_what, text) => {
    write(text);
    const loading = loadIdentity(file, native);
    await expect(loading).rejects.toBeInstanceOf(SecretFileError);
    await expect(loading).rejects.toThrow(
      `${file}: it does not hold an Ed25519 private key as PEM (PKCS #8)`,
    );
    await expect(loading).rejects.not.toThrow("J1hsZ3v");
  });

  it("that is damaged does not become another node", async () => {
    write(pem.replace("rn9g", "rn9h"));
    await expect(loadIdentity(file, native)).rejects.toThrow("of the node id a82ff3a7");
  });

  it("that is not there, or is a folder, is named with what is expected", async () => {
    const missing = loadIdentity(file, native);
    await expect(missing).rejects.toMatchObject({ code: "fileNotFound", path: file });
    await expect(missing).rejects.toThrow("there is no such file; expected is an Ed25519 private key");
    mkdirSync(file, { mode: 0o700 });
    await expect(loadIdentity(file, native)).rejects.toMatchObject({ code: "fileFailed" });
    await expect(loadOrCreateIdentity(join(folder, "no", "such"), native)).rejects.toMatchObject({
      code: "fileFailed",
    });
  });
});

describe("a network key file", () => {
  it("goes out and in, with comments", async () => {
    const key = NetworkKey.fromBytes(seed);
    await saveNetworkKey(file, key);
    expect(readFileSync(file, "utf8")).toBe(`${hex(seed)}\n`);
    if (hasModes) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await loadNetworkKey(file)).exportHex()).toBe(hex(seed));
    write(`# of our office\n${hex(seed)}\n# until May\n`);
    expect((await loadNetworkKey(file)).exportHex()).toBe(hex(seed));
  });

  it.each(["", "9d61", "x".repeat(64), "0".repeat(64)])("with %j in it is refused", async (text) => {
    write(text);
    const loading = loadNetworkKey(file);
    await expect(loading).rejects.toMatchObject({ code: "fileMalformed" });
    await expect(loading).rejects.toThrow(`${file}: it does not hold a network key: 64 hexadecimal digits`);
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
