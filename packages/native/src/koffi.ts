/**
 * The part of koffi that we use, as it behaves (its own types differ here and there), and how it is loaded.
 *
 * An optional peer: most users never call anything native. `require` instead of `import`, since a loop that blocks cannot
 * wait for a promise, and a missing package must be an error that says what to do.
 */
import { createRequire } from "node:module";
import { UnavailableError } from "./errors.ts";

/** Opaque. */
export type KoffiType = object;
/** Numbers for `int`, `intptr_t` and `uintptr_t`; arguments are not checked, and a float is cut off. */
export type KoffiFunction = (...args: readonly unknown[]) => number;

export interface KoffiLibrary {
  func(definition: string): KoffiFunction;
}

/** A descriptor in Node's own loop. */
export interface KoffiPollHandle {
  start(
    options: { readonly readable?: boolean; readonly writable?: boolean },
    callback: (status: number, events: { readonly readable: boolean; readonly writable: boolean }) => void,
  ): void;
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

export interface Koffi {
  readonly version: string;
  /** `deep`: its own functions come before those of the same name that the process has (RTLD_DEEPBIND). */
  load(path: string | null, options?: { readonly deep?: boolean }): KoffiLibrary;
  /** Of a function that native code calls. */
  proto(result: string, parameters: readonly string[]): KoffiType;
  pointer(type: KoffiType): KoffiType;
  register(callback: (...args: never[]) => unknown, type: KoffiType): bigint;
  unregister(callback: bigint): void;
  /** Keeps nothing alive. 0n for a buffer that was transferred. */
  address(value: ArrayBufferView | ArrayBuffer): bigint;
  /** Of the last call. */
  errno(): number;
  sizeof(type: string): number;
  readonly node: {
    poll(
      fd: number,
      options: Parameters<KoffiPollHandle["start"]>[0],
      callback: Parameters<KoffiPollHandle["start"]>[1],
    ): KoffiPollHandle;
  };
}

let loaded: Koffi | undefined;

/** @throws UnavailableError `koffiMissing`, which says that `feature` needs it and what else there is */
export function loadKoffi(feature: string, instead: string): Koffi {
  if (loaded !== undefined) return loaded;
  try {
    loaded = createRequire(import.meta.url)("koffi") as Koffi;
    return loaded;
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    throw new UnavailableError(
      "koffiMissing",
      isAbsent
        ? `${feature} needs the package koffi, which is not installed: npm install koffi@3. ${instead}`
        : `${feature} needs the package koffi, which has no binary for ${process.platform} ${process.arch}, or cannot load it. ${instead}`,
      { cause },
    );
  }
}
