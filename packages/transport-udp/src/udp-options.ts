/** Options of both transports, on `node:dgram` and on the system's own calls, and how they are checked. */
import { AddressTable, type SocketAddress, UsageError } from "@kad/core";

export interface UdpOptions {
  /**
   * Where to listen: `udp://` URLs with an IP address, at most 16. Port 0 lets the system choose; `0.0.0.0` and `[::]` are
   * every address of their family. Default: `udp://0.0.0.0:0`.
   */
  readonly listen?: string | readonly string[];
  /**
   * What others are told to dial instead of where this listens: the outer address of a forwarded port, at most 16. Default:
   * the addresses listened at; for every address, those of the interfaces without loopback.
   */
  readonly announce?: string | readonly string[];
  /** The kernel's receive buffer of each socket, in bytes, 1 or more; the system caps it. Default: the system's. */
  readonly recvBufferBytes?: number;
  /** The kernel's send buffer of each socket, in bytes, 1 or more. Default: the system's. */
  readonly sendBufferBytes?: number;
  /** Datagrams of one family that the kernel has not taken yet, in bytes, 1,200 to 64 MiB. Default: 1 MiB. */
  readonly maxQueuedBytes?: number;
}

/** The kinds of address that UDP carries. */
export type UdpKind = "udp4" | "udp6";

/** Checked; what was not said is what a default says, or what the system has. */
export interface ResolvedUdpOptions {
  readonly kinds: readonly UdpKind[];
  readonly listen: readonly string[];
  readonly announce: readonly string[] | undefined;
  readonly recvBufferBytes: number | undefined;
  readonly sendBufferBytes: number | undefined;
  /** Datagrams of one family that may wait for the kernel. */
  readonly maxQueued: number;
}

/** The largest datagram: what every path on the Internet carries (RFC 9000 §14.1 for the figure). */
export const maxDatagramBytes = 1_200;
const maxUrls = 16;
const defaultQueuedBytes = 2 ** 20;

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function resolveUdpOptions(options: UdpOptions): ResolvedUdpOptions {
  const { recvBufferBytes, sendBufferBytes, maxQueuedBytes } = options;
  const listen = urlsOf("listen", options.listen ?? "udp://0.0.0.0:0");
  const announce = options.announce === undefined ? undefined : urlsOf("announce", options.announce);
  checkBytes("recvBufferBytes", recvBufferBytes, 1);
  checkBytes("sendBufferBytes", sendBufferBytes, 1);
  checkBytes("maxQueuedBytes", maxQueuedBytes, maxDatagramBytes);
  const table = new AddressTable(); // only to read: the node's own table comes with open
  const kinds = new Set(listen.map((url) => kindOf(checkUrl("listen", url, table))));
  for (const url of announce ?? []) checkUrl("announce", url, table);
  return {
    kinds: [...kinds].sort(),
    listen,
    announce,
    recvBufferBytes,
    sendBufferBytes,
    maxQueued: Math.floor((maxQueuedBytes ?? defaultQueuedBytes) / maxDatagramBytes),
  };
}

function urlsOf(option: string, given: string | readonly string[]): readonly string[] {
  const urls = typeof given === "string" ? [given] : [...given];
  if (urls.length >= 1 && urls.length <= maxUrls) return urls;
  throw new UsageError("invalidOption", `${option}: ${urls.length} addresses; allowed are 1 to ${maxUrls}`);
}

/** @throws UsageError `invalidAddress` for what is no udp URL with an IP address; a name is for who has a resolver */
function checkUrl(option: string, url: string, table: AddressTable): SocketAddress {
  const address = table.parse(url, { listening: option === "listen" });
  if (address.scheme === "udp") return address;
  throw new UsageError("invalidAddress", `${option}: "${url}"; allowed is udp://IP:PORT`);
}

export function kindOf(address: SocketAddress): UdpKind {
  return address.family === 6 ? "udp6" : "udp4";
}

function checkBytes(option: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= 2 ** 26)) return;
  throw new UsageError(
    "invalidOption",
    `${option}: ${String(value)}; allowed are ${min} to ${2 ** 26} bytes`,
  );
}
