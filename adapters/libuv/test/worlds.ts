/** The bindings that tests run on: the libuv inside Node, Debian's as a shared library, and the one in memory. */
import { readdirSync } from "node:fs";
import { openNative, UnavailableError } from "@kad/native";
import { openUv, type UvBinding, uvReadable, uvWritable } from "../src/index.ts";
import { MemoryUv } from "../src/memory/index.ts";

/** A descriptor that a test makes ready. */
export interface TestDescriptor {
  readonly fd: number;
  makeReadable(): void;
  /** Reads what there is. */
  drain(): void;
  close(): void;
}

export interface World {
  readonly name: string;
  readonly make: () => UvBinding;
  /** A new descriptor, writable and not readable. */
  readonly descriptor: (uv: UvBinding) => TestDescriptor;
  readonly isReal: boolean;
  /** Up to 1.44 timers run at the start of an iteration, from 1.45 on at its end. */
  readonly timersFirst: boolean;
  /** Lets time pass while no loop runs. */
  readonly pass: (uv: UvBinding, ms: number) => void;
}

export interface MissingWorld {
  readonly name: string;
  readonly reason: string;
}

const idle = new Int32Array(new SharedArrayBuffer(4));

function realWorld(name: string, make: () => UvBinding): World | MissingWorld {
  try {
    const [, minor = 0] = make().uv_version_string().split(".").map(Number);
    return {
      name: `${name}, ${make().uv_version_string()}`,
      make,
      descriptor: socketPair,
      isReal: true,
      timersFirst: minor < 45,
      pass: (_uv, ms) => void Atomics.wait(idle, 0, 0, ms),
    };
  } catch (error) {
    if (error instanceof UnavailableError) return { name, reason: error.message };
    throw error;
  }
}

function socketPair(): TestDescriptor {
  const libc = openNative({
    feature: "this test",
    instead: "",
    platforms: ["linux", "darwin"],
    libraries: ["libc.so.6", null],
  });
  const socketpair = libc.func("int socketpair(int domain, int type, int protocol, uintptr_t fds)");
  const write = libc.func("intptr_t write(int fd, uintptr_t bytes, size_t length)");
  const read = libc.func("intptr_t read(int fd, uintptr_t bytes, size_t length)");
  const close = libc.func("int close(int fd)");
  const block = libc.allocate(16, "test");
  libc.checked("socketpair", socketpair(1, 1, 0, block.address)); // AF_UNIX, SOCK_STREAM
  const [own = -1, other = -1] = block.u32;
  let isClosed = false;
  return {
    fd: own,
    makeReadable: () => void write(other, block.address, 1),
    drain: () => void read(own, block.address, 16),
    close() {
      if (isClosed) return;
      isClosed = true;
      close(own);
      close(other);
      block.release();
    },
  };
}

export const libuvInMemory: World = {
  name: "libuv in memory",
  make: () => new MemoryUv(),
  descriptor(uv) {
    const memory = uv as MemoryUv;
    const fd = memory.descriptor();
    memory.setReady(fd, uvWritable);
    return {
      fd,
      makeReadable: () => memory.setReady(fd, uvReadable | uvWritable),
      drain: () => memory.setReady(fd, uvWritable),
      close: () => memory.setReady(fd, undefined),
    };
  },
  isReal: false,
  timersFirst: false,
  pass: (uv, ms) => (uv as MemoryUv).advance(ms),
};

export const nodesLibuv: World | MissingWorld = realWorld("the libuv inside Node", () => openUv());

/** Each with a reason where it cannot be had. */
export const worlds: readonly (World | MissingWorld)[] = [
  libuvInMemory,
  nodesLibuv,
  realWorld("libuv.so.1", () => openUv({ library: "libuv.so.1" })),
];

export function isThere(world: World | MissingWorld): world is World {
  return "make" in world;
}

/** For titles. */
export function titleOf(world: World | MissingWorld): string {
  return isThere(world) ? `on ${world.name}` : `on ${world.name}, skipped: ${world.reason}`;
}

/** A loopback address and a port, as libuv takes it. */
export function loopback(port = 0): Uint8Array {
  const address = new Uint8Array(32);
  address.set([2, 0, port >> 8, port & 0xff, 127, 0, 0, 1]);
  return address;
}

/** Of this process; 0 where that cannot be known. */
export function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
