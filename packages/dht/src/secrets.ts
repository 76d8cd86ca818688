/**
 * Identities and network keys: made, saved and loaded. Files are those of `@kad/crypto/node`: mode 0600, never written over,
 * and what is wrong with one is a `SecretFileError` that names it.
 */
import type { NetworkKey, SeedIdentity } from "@kad/crypto";

/** A new identity, in memory alone. */
export async function createIdentity(): Promise<SeedIdentity> {
  const [{ SeedIdentity, systemRandom }, { provider }] = await Promise.all([
    import("@kad/crypto"),
    import("./security.ts"),
  ]);
  return SeedIdentity.generate(provider, systemRandom);
}

/**
 * The identity in a file.
 * @throws (rejects) SecretFileError that names the file and what is expected: `fileNotFound`, `fileNotPrivate` (others than
 * its owner may read it), `fileMalformed`, `fileFailed`
 */
export async function loadIdentity(path: string): Promise<SeedIdentity> {
  const [files, { provider }] = await Promise.all([import("@kad/crypto/node"), import("./security.ts")]);
  return await files.loadIdentity(path, provider);
}

/**
 * The identity in a file, made where there is no such file. Two processes that do so at once get the same.
 * @throws (rejects) as {@link loadIdentity}
 */
export async function loadOrCreateIdentity(path: string): Promise<SeedIdentity> {
  const [files, { provider }] = await Promise.all([import("@kad/crypto/node"), import("./security.ts")]);
  return await files.loadOrCreateIdentity(path, provider);
}

/** Writes it into a new file of mode 0600. @throws (rejects) SecretFileError `fileExists`, `fileFailed` */
export async function saveIdentity(path: string, identity: SeedIdentity): Promise<void> {
  await (await import("@kad/crypto/node")).saveIdentity(path, identity);
}

/** A new key for a private network, in memory alone. */
export async function createNetworkKey(): Promise<NetworkKey> {
  const { NetworkKey, systemRandom } = await import("@kad/crypto");
  return NetworkKey.generate(systemRandom);
}

/** The network key in a file. @throws (rejects) as {@link loadIdentity} */
export async function loadNetworkKey(path: string): Promise<NetworkKey> {
  return await (await import("@kad/crypto/node")).loadNetworkKey(path);
}

/** Writes it into a new file of mode 0600: copy it to whoever may join. @throws (rejects) as {@link saveIdentity} */
export async function saveNetworkKey(path: string, key: NetworkKey): Promise<void> {
  await (await import("@kad/crypto/node")).saveNetworkKey(path, key);
}
