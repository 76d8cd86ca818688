/**
 * Addresses as text: `udp://192.0.2.1:4100`, `tcp://[2001:db8::1]:4100`, `ws://…`, `wss://host/path`.
 *
 * Every address has one canonical text, so that text can be compared: IPv4 as four decimal numbers, IPv6 as RFC 5952 §4
 * writes it, IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) as IPv4, host names in lower case, the default ports of ws and wss
 * left out, a path of `/` alone left out. The syntax is that of RFC 3986, less user names, fragments and zone ids.
 * No `URL` here: it is not part of the language, and it takes shorthand like `127.1` that an address must not be.
 */

export type AddressScheme = "udp" | "tcp" | "ws" | "wss";

/** An address taken apart; `host` is canonical and without brackets. */
export interface AddressParts {
  readonly scheme: AddressScheme;
  readonly host: string;
  /** The bytes of `host` where it is an IP address: 4 or 16. */
  readonly ip: Uint8Array | undefined;
  /** 0 to 65535, given or the scheme's default. */
  readonly port: number;
  /** Empty, or path and query with the slash in front; only of ws and wss. */
  readonly path: string;
}

/** Takes canonical or looser text apart; a string says what is wrong with it, to follow the text and a colon. */
export function parseAddressText(text: string): AddressParts | string {
  const match = /^(udp|tcp|wss|ws):\/\/([^/?#]*)([^#]*)$/i.exec(text);
  if (match === null)
    return "allowed are udp://ip:port, tcp://ip:port, ws://host:port/path and wss://host:port/path";
  const scheme = (match[1] as string).toLowerCase() as AddressScheme;
  const authority = match[2] as string;
  const path = match[3] as string;
  const web = scheme === "ws" || scheme === "wss";
  if (!web && path !== "") return `${scheme} has no path`;
  if (!/^[-A-Za-z0-9._~%!$&'()*+,;=:@/?]*$/.test(path))
    return "the path has characters that a URL does not allow";
  const split = /^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]{1,5}))?$/.exec(authority);
  if (split === null) return "host and port cannot be told apart; IPv6 stands in brackets";
  const port = split[3] === undefined ? defaultPort(scheme) : Number(split[3]);
  if (port === undefined) return "the port is missing";
  if (port > 65_535) return "the port is over 65535";
  const host = parseHost(split[1], split[2] ?? "");
  if (typeof host === "string") return host;
  if (!web && host.ip === undefined) return "the host is a name: resolve it first";
  return { scheme, ...host, port, path: path === "/" ? "" : path.startsWith("?") ? `/${path}` : path };
}

export function formatAddressText(parts: AddressParts): string {
  const host = parts.ip?.length === 16 ? `[${parts.host}]` : parts.host;
  const port = parts.port === defaultPort(parts.scheme) ? "" : `:${parts.port}`;
  // Joined at once: a template would keep its pieces, and an address is kept for long.
  return [parts.scheme, "://", host, port, parts.path].join("");
}

function defaultPort(scheme: AddressScheme): number | undefined {
  return scheme === "ws" ? 80 : scheme === "wss" ? 443 : undefined;
}

type Host = Pick<AddressParts, "host" | "ip">;

function parseHost(bracketed: string | undefined, plain: string): Host | string {
  const scratch = new Uint8Array(16);
  if (bracketed !== undefined) {
    if (bracketed.includes("%")) return "zone ids mean something on one machine only";
    if (!readIpv6(bracketed, scratch, 0)) return "the IPv6 address cannot be read";
    return ipHost(isMappedIpv4(scratch, 0) ? scratch.subarray(12) : scratch);
  }
  if (readIpv4(plain, scratch, 0)) return ipHost(scratch.subarray(0, 4));
  const name = plain.toLowerCase();
  if (
    name.length > 253 ||
    !/^([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*$/.test(name)
  ) {
    return "the host is neither an IP address nor a name";
  }
  // What ends in a number is an IPv4 address to browsers, in forms that we do not read (0x7f.1, 127.1).
  if (/(^|\.)([0-9]+|0x[0-9a-f]*)$/.test(name)) return "the IPv4 address cannot be read";
  return { host: name, ip: undefined };
}

function ipHost(ip: Uint8Array): Host {
  return { host: formatIp(ip, 0, ip.length), ip };
}

/** Four decimal numbers without leading zeros, into `into[at..at + 4)`. Does not allocate. */
export function readIpv4(text: string, into: Uint8Array, at: number): boolean {
  return readDottedQuad(text, 0, into, at);
}

function readDottedQuad(text: string, start: number, into: Uint8Array, at: number): boolean {
  let value = 0;
  let digits = 0;
  let parts = 0;
  // One step past the end, where a dot is assumed, so that the last number is finished like the others.
  for (let i = start; i <= text.length; i++) {
    const digit = (i < text.length ? text.charCodeAt(i) : 0x2e) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return false;
    } else {
      if (digit !== -2 || digits === 0 || parts === 4) return false;
      into[at + parts++] = value;
      value = 0;
      digits = 0;
    }
  }
  return parts === 4;
}

/** The forms of RFC 4291 §2.2, without a zone id, into `into[at..at + 16)`. Does not allocate. */
export function readIpv6(text: string, into: Uint8Array, at: number): boolean {
  let written = 0; // bytes
  let gap = -1; // bytes that were written before "::"
  let i = 0;
  if (text.startsWith("::")) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    if (written === 16) return false;
    let value = 0;
    let digits = 0;
    const start = i;
    for (let digit = hexDigit(text, i); digit >= 0 && digits < 5; digit = hexDigit(text, ++i)) {
      value = value * 16 + digit;
      digits++;
    }
    if (i < text.length && text.charCodeAt(i) === 0x2e) {
      if (written > 12 || !readDottedQuad(text, start, into, at + written)) return false;
      written += 4;
      break;
    }
    if (digits === 0 || digits > 4) return false;
    into[at + written] = value >> 8;
    into[at + written + 1] = value & 0xff;
    written += 2;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== 0x3a) return false;
    i++;
    if (i === text.length) return false;
    if (text.charCodeAt(i) === 0x3a) {
      if (gap >= 0) return false;
      gap = written;
      i++;
    }
  }
  if (gap < 0) return written === 16;
  if (written > 14) return false;
  const moved = written - gap;
  into.copyWithin(at + 16 - moved, at + gap, at + written);
  into.fill(0, at + gap, at + 16 - moved);
  return true;
}

function hexDigit(text: string, i: number): number {
  const code = i < text.length ? text.charCodeAt(i) : 0;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

export function isMappedIpv4(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

/** The canonical text of the IP address in `bytes[at..at + length)`, `length` 4 or 16. */
export function formatIp(bytes: Uint8Array, at: number, length: number): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups: number[] = [];
  for (let i = at; i < at + 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  const zeros = longestZeroRun(groups);
  const hex = (from: number, to?: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return zeros.length < 2 ? hex(0) : `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length)}`;
}

/** The first of the longest runs: RFC 5952 §4.2.3. */
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (let i = 0; i < groups.length; i++) {
    length = groups[i] === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i + 1 - length, length };
  }
  return best;
}
