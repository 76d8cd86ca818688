/**
 * Identities and network keys in files.
 *
 * An identity is a PEM file with an Ed25519 key in PKCS #8 (RFC 7468, RFC 8410 §7), which other tools make and read too. In
 * front of it stands a line with the node's id, for people, and so that a damaged file does not become another node.
 */
import { copyBytes } from "@kad/core";
import { SeedIdentity } from "../identity.ts";
import { NetworkKey } from "../network.ts";
import { type CryptoProvider, keyBytes } from "../provider.ts";
import { systemRandom } from "../system-random.ts";
import { pkcs8Header } from "./okp-keys.ts";
import { malformed, readSecretFile, SecretFileError, writeSecretFile } from "./secret-file.ts";

const expectedIdentity = "an Ed25519 private key as PEM (PKCS #8)";
const expectedNetworkKey = "a network key: 64 hexadecimal digits";
const begin = "-----BEGIN PRIVATE KEY-----";
const end = "-----END PRIVATE KEY-----";

/**
 * Writes the identity into a new file with mode 0600.
 * @throws (rejects) SecretFileError `fileExists`, `fileFailed`
 */
export async function saveIdentity(path: string, identity: SeedIdentity): Promise<void> {
  const der = new Uint8Array([...pkcs8Header("Ed25519"), ...identity.exportSeed()]);
  const text = `kad identity ${identity.id.toHex()}\n${begin}\n${Buffer.from(der).toString("base64")}\n${end}\n`;
  await writeSecretFile(path, text);
}

/**
 * @throws (rejects) SecretFileError that names the file and what is expected: `fileNotFound`, `fileNotPrivate`,
 * `fileMalformed`, `fileFailed`
 */
export async function loadIdentity(path: string, provider: CryptoProvider): Promise<SeedIdentity> {
  const text = await readSecretFile(path, expectedIdentity);
  const seed = seedOf(text);
  if (seed === undefined) throw malformed(path, expectedIdentity);
  const identity = SeedIdentity.fromSeed(provider, seed);
  const declared = /^kad identity ([0-9a-f]{64})$/m.exec(text)?.[1];
  if (declared !== undefined && declared !== identity.id.toHex())
    throw malformed(path, `the key of the node id ${declared} that it names: it is damaged`);
  return identity;
}

/**
 * Loads the identity, or makes one and saves it where there is no file. Two processes that do so at once get the same.
 * @throws (rejects) SecretFileError as {@link loadIdentity} and {@link saveIdentity}
 */
export async function loadOrCreateIdentity(path: string, provider: CryptoProvider): Promise<SeedIdentity> {
  try {
    return await loadIdentity(path, provider);
  } catch (error) {
    if (!isError(error, "fileNotFound")) throw error;
  }
  const identity = SeedIdentity.generate(provider, systemRandom);
  try {
    await saveIdentity(path, identity);
    return identity;
  } catch (error) {
    if (!isError(error, "fileExists")) throw error;
    return await loadIdentity(path, provider);
  }
}

/**
 * Writes the key into a new file with mode 0600: copy it to whoever may join.
 * @throws (rejects) SecretFileError `fileExists`, `fileFailed`
 */
export async function saveNetworkKey(path: string, key: NetworkKey): Promise<void> {
  await writeSecretFile(path, `${key.exportHex()}\n`);
}

/**
 * Lines that begin with # are passed over.
 * @throws (rejects) SecretFileError as {@link loadIdentity}
 */
export async function loadNetworkKey(path: string): Promise<NetworkKey> {
  const text = (await readSecretFile(path, expectedNetworkKey)).replaceAll(/^#.*$/gm, "").trim();
  try {
    return NetworkKey.fromHex(text);
  } catch {
    throw malformed(path, expectedNetworkKey);
  }
}

function seedOf(text: string): Uint8Array | undefined {
  const start = text.indexOf(begin);
  const stop = text.indexOf(end);
  if (start < 0 || stop < start) return undefined;
  const base64 = text.slice(start + begin.length, stop).replaceAll(/\s/g, ""); // slice: text is a string
  const der = Buffer.from(base64, "base64");
  if (der.toString("base64") !== base64) return undefined;
  const header = pkcs8Header("Ed25519");
  if (der.length !== header.length + keyBytes || !header.every((byte, i) => der[i] === byte))
    return undefined;
  return copyBytes(der, header.length);
}

function isError(error: unknown, code: SecretFileError["code"]): boolean {
  return error instanceof SecretFileError && error.code === code;
}
