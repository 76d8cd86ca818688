/**
 * Addresses as bytes: `tag u8 | ip | port u16` for udp and tcp, `tag u8 | length u8 | URL` for ws and wss.
 *
 * Each address has one form. What has another (a URL that is not canonical, IPv4 inside IPv6) or cannot be dialled from
 * anywhere is malformed: so equal addresses have equal bytes, and nobody makes us send to a multicast group.
 */
import {
  type AddressParts,
  formatAddressText,
  formatIp,
  isMappedIpv4,
  parseAddressText,
} from "./address-text.ts";

/** What a transport carries. The position is the tag on the wire less one, and the number of the bit in `want`. */
export type AddressKind = (typeof addressKinds)[number];
export const addressKinds: readonly ["udp4", "udp6", "tcp4", "tcp6", "ws", "wss"] = [
  "udp4",
  "udp6",
  "tcp4",
  "tcp6",
  "ws",
  "wss",
];

/** Longest URL of a ws or wss address, in bytes. */
const maxUrlBytes = 128;

/** Longest address, in bytes. */
export const maxAddressBytes: number = 2 + maxUrlBytes;

/** The tags above this are followed by a URL. */
const lastIpTag = 4;

function tagOf(parts: AddressParts): number {
  if (parts.scheme === "ws") return 5;
  if (parts.scheme === "wss") return 6;
  return (parts.scheme === "udp" ? 1 : 3) + (parts.ip?.length === 16 ? 1 : 0);
}

/** Writes the address to the start of `into`, which has room for the longest one, and returns its length. */
export function writeAddressParts(parts: AddressParts, into: Uint8Array): number {
  const tag = tagOf(parts);
  into[0] = tag;
  if (parts.ip !== undefined && tag <= lastIpTag) {
    into.set(parts.ip, 1);
    return writePort(parts.port, into, 1 + parts.ip.length);
  }
  const text = formatAddressText(parts);
  into[1] = text.length;
  for (let i = 0; i < text.length; i++) into[2 + i] = text.charCodeAt(i);
  return 2 + text.length;
}

/** Returns the offset after it. */
export function writePort(port: number, into: Uint8Array, at: number): number {
  into[at] = port >> 8;
  into[at + 1] = port & 0xff;
  return at + 2;
}

/**
 * How many bytes the address at `offset` takes, of `length` that are there; `undefined` when it cannot be one. For a URL
 * that is all it says: {@link readAddressParts} reads it. Does not allocate.
 */
export function addressLength(bytes: Uint8Array, offset: number, length: number): number | undefined {
  if (length < 2) return undefined;
  const tag = bytes[offset] as number;
  if (tag < 1 || tag > addressKinds.length) return undefined;
  if (tag > lastIpTag) {
    const size = 2 + (bytes[offset + 1] as number);
    return size > length || size > maxAddressBytes ? undefined : size;
  }
  const ipBytes = tag & 1 ? 4 : 16;
  const size = 3 + ipBytes;
  if (size > length || (bytes[offset + size - 2] === 0 && bytes[offset + size - 1] === 0)) return undefined;
  return isDialableIp(bytes, offset + 1, ipBytes) ? size : undefined;
}

/** Takes apart the address of `size` bytes at `offset`; `ip` borrows `bytes` where it is on the wire. */
export function readAddressParts(bytes: Uint8Array, offset: number, size: number): AddressParts | undefined {
  const tag = bytes[offset] as number;
  if (tag > lastIpTag) return readUrl(bytes, offset, size);
  const ip = bytes.subarray(offset + 1, offset + size - 2);
  return {
    scheme: tag <= 2 ? "udp" : "tcp",
    host: formatIp(ip, 0, ip.length),
    ip,
    port: ((bytes[offset + size - 2] as number) << 8) | (bytes[offset + size - 1] as number),
    path: "",
  };
}

function readUrl(bytes: Uint8Array, offset: number, size: number): AddressParts | undefined {
  const url = bytes.subarray(offset + 2, offset + size);
  const text = String.fromCharCode.apply(undefined, url as unknown as number[]);
  const parts = parseAddressText(text);
  if (typeof parts === "string" || whyUnusable(parts) !== undefined) return undefined;
  return tagOf(parts) === bytes[offset] && formatAddressText(parts) === text ? parts : undefined;
}

/**
 * What keeps an address that can be read from being used, in a few words. With `listening` the port may be 0 and the IP
 * address unspecified.
 */
export function whyUnusable(parts: AddressParts, listening = false): string | undefined {
  const { ip, port } = parts;
  if (port === 0 && !listening) return "port 0 cannot be dialled; allowed are 1 to 65535";
  if (ip !== undefined && !isDialableIp(ip, 0, ip.length) && !(listening && ip.every((byte) => byte === 0))) {
    return "the IP address is unspecified, multicast or reserved and cannot be dialled";
  }
  const isWeb = parts.scheme === "ws" || parts.scheme === "wss";
  return isWeb && formatAddressText(parts).length > maxUrlBytes
    ? `the URL is over ${maxUrlBytes} bytes`
    : undefined;
}

/** Not 0/8, nor multicast and above (224/3), nor ::, ff00::/8 or an IPv4-mapped address, whose form is the IPv4 one. */
function isDialableIp(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at] as number;
  if (length === 4) return first !== 0 && first < 224;
  if (first !== 0) return first !== 0xff;
  if (isMappedIpv4(bytes, at)) return false;
  for (let i = 1; i < 16; i++) if (bytes[at + i] !== 0) return true;
  return false;
}
