import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { UsageError } from "@kad/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { guarded, NativeCallback } from "../src/callbacks.ts";
import { nativeStats, openNative, quarantine, SystemError, UnavailableError } from "../src/index.ts";
import { openLibc, whyNot } from "./native-support.ts";

const options = {
  feature: "@kad/thing",
  instead: "Take @kad/other instead.",
  platforms: ["linux"] as NodeJS.Platform[],
  libraries: ["libc.so.6"],
};

afterEach(() => vi.restoreAllMocks());

describe("where something native cannot be used", () => {
  it("an unsupported platform is named, with those that are, and what to take instead", () => {
    const platforms: NodeJS.Platform[] = ["aix", "haiku"];
    expect(() => openNative({ ...options, platforms })).toThrow(
      expect.objectContaining({
        code: "unsupportedPlatform",
        message: `@kad/thing runs on aix and haiku; this is ${process.platform} ${process.arch}. Take @kad/other instead.`,
      }),
    );
  });

  it.each([
    [
      "is not installed",
      `const e = new Error("no"); e.code = "MODULE_NOT_FOUND"; throw e;`,
      "@kad/thing needs the package koffi, which is not installed: npm install koffi@3. Take @kad/other instead.",
    ],
    [
      "has no binary here",
      `throw new Error("no binary");`,
      `@kad/thing needs the package koffi, which has no binary for ${process.platform} ${process.arch}, or cannot load it. Take @kad/other instead.`,
    ],
  ])("a koffi that %s is an error that says what to do", (_title, failure, message) => {
    const folder = mkdtempSync(`${tmpdir()}/kad-`);
    try {
      writeFileSync(
        `${folder}/without-koffi.cjs`,
        `const { Module } = require("node:module");
        const load = Module._load;
        Module._load = (name, ...rest) => { if (name === "koffi") { ${failure} } return load(name, ...rest); };`,
      );
      const source = fileURLToPath(new URL("../src/index.ts", import.meta.url));
      const program = `import { openNative } from ${JSON.stringify(source)};
        try { openNative(${JSON.stringify({ ...options, platforms: [process.platform] })}); }
        catch ({ code, message }) { console.log(code + "|" + message); }`;
      const output = execFileSync(
        process.execPath,
        [
          "--require",
          `${folder}/without-koffi.cjs`,
          "--conditions=@kad/source",
          "--import=tsx",
          "--input-type=module",
          "--eval",
          program,
        ],
        { encoding: "utf8", timeout: 30_000 },
      );
      expect(output.trim()).toBe(`koffiMissing|${message}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(whyNot !== undefined)(
  `with koffi${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`,
  () => {
    it("a library that is nowhere is named", () => {
      expect(() => openNative({ ...options, libraries: ["libnowhere.so.9"] })).toThrow(
        expect.objectContaining({
          code: "missingSymbol",
          message: expect.stringContaining("libnowhere.so.9") as string,
        }),
      );
    });

    it("the first library that can be loaded is taken", () => {
      const native = openNative({ ...options, libraries: ["libnowhere.so.9", "libc.so.6"] });
      expect(native.func("int getpid()")()).toBe(process.pid);
    });

    it("a function that is not there is named", () => {
      expect(() => openLibc().func("int no_such_function(int a)")).toThrow(UnavailableError);
      expect(() => openLibc().func("int no_such_function(int a)")).toThrow("no_such_function");
    });

    it("refuses processors whose layouts it does not know", () => {
      const { koffi } = openLibc();
      vi.spyOn(koffi, "sizeof").mockReturnValue(4);
      expect(() => openLibc()).toThrow(expect.objectContaining({ code: "unsupportedPlatform" }));
    });

    it("a call that fails becomes an error with the system's name for it", () => {
      const libc = openLibc();
      const close = libc.func("int close(int fd)");
      expect(() => libc.checked("close", close(-1))).toThrow(SystemError);
      close(-1);
      expect(libc.lastError("close")).toMatchObject({
        code: "EBADF",
        call: "close",
        errno: 9,
        message: "close: EBADF",
      });
      expect(libc.checked("close", 0)).toBe(0);
      expect(libc.errorOf("call", 4_000).code).toMatch(/4000/);
    });
  },
);

describe.skipIf(whyNot !== undefined)("memory that native code knows of", () => {
  const memset = (address: number, byte: number, length: number): number =>
    openLibc().func("uintptr_t memset(uintptr_t at, int byte, size_t length)")(address, byte, length);

  it("is seen by both sides at its address", () => {
    const block = openLibc().allocate(5, "test");
    memset(block.address, 7, 5);
    expect([...block.bytes]).toEqual([7, 7, 7, 7, 7, 0, 0, 0]);
    block.release();
  });

  it("is counted until it is released, once", () => {
    const before = nativeStats();
    const block = openLibc().allocate(64, "test");
    expect(nativeStats()).toEqual({ ...before, blocks: before.blocks + 1, bytes: before.bytes + 64 });
    block.release();
    block.release();
    expect(nativeStats()).toEqual(before);
  });

  it("holds pointers of 64 bits", () => {
    const block = openLibc().allocate(16, "test");
    block.setPointer(8, 0x7fff_1234_5678);
    expect([block.getPointer(8), ...block.bytes.subarray(8)]).toEqual([
      0x7fff_1234_5678,
      ...[0x78, 0x56, 0x34, 0x12, 0xff, 0x7f, 0, 0],
    ]);
    block.release();
  });

  it("is poison after its release, and a write to it is found", () => {
    const watch = quarantine();
    const [good, bad] = [openLibc().allocate(8, "good"), openLibc().allocate(8, "bad")];
    const { address } = bad;
    good.release();
    bad.release();
    watch.end();
    openLibc().allocate(8, "later").release();
    expect([...bad.bytes]).toEqual(new Array(8).fill(0xdd));
    expect([watch.released, watch.damaged()]).toEqual([2, []]);
    memset(address, 1, 1); // as native code would that still has it
    expect(watch.damaged()).toEqual(["bad"]);
  });

  it("that somebody has transferred to another thread is not handed to native code again", () => {
    const block = openLibc().allocate(8, "receive buffer");
    structuredClone(block.bytes, { transfer: [block.bytes.buffer as ArrayBuffer] });
    expect(() => block.address).toThrow(UsageError);
    expect(() => block.address).toThrow("receive buffer: its bytes were transferred away");
    const before = nativeStats();
    block.release();
    expect(nativeStats().bytes).toBe(before.bytes - 8);
  });
});

describe.skipIf(whyNot !== undefined)("a function that native code calls", () => {
  it("never throws into it: the other calls of the run come all the same", () => {
    const libc = openLibc();
    const errors: unknown[] = [];
    const calls: number[] = [];
    const compare = new NativeCallback({
      koffi: libc.koffi,
      type: libc.koffi.proto("void", ["uintptr_t", "uintptr_t"]),
      call: () => {
        calls.push(1);
        throw new Error("boom");
      },
      onError: (error) => errors.push(error),
    });
    const block = libc.allocate(16, "test");
    const qsort = libc.func("void qsort(uintptr_t base, size_t count, size_t size, void *compare)");
    expect(() => qsort(block.address, 4, 4, compare.pointer)).not.toThrow();
    expect(calls.length).toBeGreaterThan(1);
    expect(errors.length).toBe(calls.length);
    compare.unregister();
    block.release();
  });

  it("is counted until it is unregistered, once", () => {
    const { koffi } = openLibc();
    const before = nativeStats().callbacks;
    const nothing = (): void => undefined;
    const type = koffi.proto("void", []);
    const callback = new NativeCallback({ koffi, type, call: nothing, onError: nothing });
    expect(nativeStats().callbacks).toBe(before + 1);
    callback.unregister();
    callback.unregister();
    expect(nativeStats().callbacks).toBe(before);
  });
});

it("a guarded function passes arguments on and errors to whom they concern", () => {
  const errors: unknown[] = [];
  const seen: number[] = [];
  const call = guarded(
    (a: number) => {
      seen.push(a);
      throw new Error("boom");
    },
    (error) => errors.push(error),
  );
  call(3);
  expect([seen, (errors[0] as Error).message]).toEqual([[3], "boom"]);
});
