/**
 * What the system's headers say: numbers and shapes that differ between Linux and macOS.
 *
 * Linux: asm-generic, the same on x64, arm64, riscv64 and loong64. macOS: its SDK's headers; written down, not run.
 */
export interface Platform {
  readonly libraries: readonly (string | null)[];
  /** `sendmmsg` and `recvmmsg`; macOS has no public ones. */
  readonly hasBatches: boolean;
  /** Or-ed to the type in `socket`; `undefined`: `fcntl` afterwards. */
  readonly nonBlockingType: number | undefined;
  /** For `fcntl(F_SETFL)`. */
  readonly nonBlockingFlag: number;
  readonly solSocket: number;
  readonly soSendBuffer: number;
  readonly soRecvBuffer: number;
  readonly ipv6Only: number;
  readonly eAgain: number;
  readonly eIntr: number;
  readonly eBadf: number;
  readonly eNotSock: number;
}

export const platforms: Readonly<Partial<Record<NodeJS.Platform, Platform>>> = {
  linux: {
    libraries: ["libc.so.6", null], // musl's has another name, but every process has loaded it
    hasBatches: true,
    nonBlockingType: 0x800 | 0x8_0000, // SOCK_NONBLOCK | SOCK_CLOEXEC
    nonBlockingFlag: 0x800,
    solSocket: 1,
    soSendBuffer: 7,
    soRecvBuffer: 8,
    ipv6Only: 26,
    eAgain: 11,
    eIntr: 4,
    eBadf: 9,
    eNotSock: 88,
  },
  darwin: {
    libraries: ["libSystem.B.dylib", null],
    hasBatches: false,
    nonBlockingType: undefined,
    nonBlockingFlag: 4,
    solSocket: 0xffff,
    soSendBuffer: 0x1001,
    soRecvBuffer: 0x1002,
    ipv6Only: 27,
    eAgain: 35,
    eIntr: 4,
    eBadf: 9,
    eNotSock: 38,
  },
};

export const sockDgram = 2;
/** IPPROTO_IPV6 */
export const ipv6Level = 41;
export const getDescriptorFlags = 1; // F_GETFD
export const setStatusFlags = 4; // F_SETFL
