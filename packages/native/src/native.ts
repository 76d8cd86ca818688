/**
 * The way in: koffi, a library of the system, and what its calls return.
 *
 * Pointers are `uintptr_t` here and so plain numbers, which costs the least. The layouts that our packages write into memory are
 * those of 64-bit little-endian systems; elsewhere this refuses.
 */
import { endianness } from "node:os";
import { getSystemErrorName } from "node:util";
import { SystemError, UnavailableError } from "./errors.ts";
import { type Koffi, type KoffiFunction, type KoffiLibrary, loadKoffi } from "./koffi.ts";
import { NativeBlock } from "./memory.ts";

/** Takes numbers (pointers too) and pointers of callbacks; returns what the C function does, as a number. */
export type NativeFunction = (...args: readonly (number | bigint | null)[]) => number;

export interface NativeOptions {
  /** Who asks, for messages: `@kad/loop-epoll`. */
  readonly feature: string;
  /** What to use instead, as a sentence for messages. */
  readonly instead: string;
  /** Platforms (`process.platform`) that it was written for. */
  readonly platforms: readonly string[];
  /** Libraries to try, in this order; `null` is what this process has loaded already. */
  readonly libraries: readonly (string | null)[];
}

/** @throws UnavailableError `unsupportedPlatform`, `koffiMissing` or, for a library that is not there, `missingSymbol` */
export function openNative(options: NativeOptions): Native {
  const { feature, instead, platforms } = options;
  const here = `${process.platform} ${process.arch}`;
  if (!platforms.includes(process.platform)) {
    throw new UnavailableError(
      "unsupportedPlatform",
      `${feature} runs on ${platforms.join(" and ")}; this is ${here}. ${instead}`,
    );
  }
  const koffi = loadKoffi(feature, instead);
  if (koffi.sizeof("void *") !== 8 || endianness() !== "LE") {
    throw new UnavailableError(
      "unsupportedPlatform",
      `${feature} knows 64-bit little-endian processors alone; this is ${here}. ${instead}`,
    );
  }
  return new Native(options, koffi, loadFirst(options, koffi));
}

function loadFirst({ feature, libraries, instead }: NativeOptions, koffi: Koffi): KoffiLibrary {
  let failure: unknown;
  for (const library of libraries) {
    try {
      // A libuv beside Node's own would otherwise call that one, whose structures are another version's.
      return library === null ? koffi.load(null) : koffi.load(library, { deep: true });
    } catch (cause) {
      failure = cause;
    }
  }
  const tried = libraries.map((library) => library ?? "this process").join(", ");
  throw new UnavailableError(
    "missingSymbol",
    `${feature}: none of these libraries can be loaded: ${tried}. ${instead}`,
    {
      cause: failure,
    },
  );
}

export class Native {
  readonly koffi: Koffi;
  readonly #options: NativeOptions;
  readonly #library: KoffiLibrary;

  /** Use {@link openNative}. */
  constructor(options: NativeOptions, koffi: Koffi, library: KoffiLibrary) {
    this.#options = options;
    this.koffi = koffi;
    this.#library = library;
  }

  /**
   * A function of the library, by its declaration with `uintptr_t` for pointers: `int close(int fd)`.
   * @throws UnavailableError `missingSymbol`
   */
  func(declaration: string): NativeFunction {
    try {
      return this.#library.func(declaration) as KoffiFunction;
    } catch (cause) {
      const { feature, instead } = this.#options;
      throw new UnavailableError(
        "missingSymbol",
        `${feature}: no function for "${declaration}" here. ${instead}`,
        { cause },
      );
    }
  }

  allocate(size: number, owner: string): NativeBlock {
    return new NativeBlock(size, owner, (buffer) => this.koffi.address(buffer));
  }

  /** Why the last call failed, as the system's number. */
  errno(): number {
    return this.koffi.errno();
  }

  /** For a call that returned -1. */
  lastError(call: string): SystemError {
    return this.errorOf(call, this.errno());
  }

  errorOf(call: string, errno: number): SystemError {
    return new SystemError(call, errno, nameOf(errno));
  }

  /** What the call returned; @throws SystemError where that was negative */
  checked(call: string, result: number): number {
    if (result < 0) throw this.lastError(call);
    return result;
  }
}

function nameOf(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `E${errno}`;
  }
}
