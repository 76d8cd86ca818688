/**
 * Which addresses subnet limits do not count: loopback always, and what the host lists.
 *
 * A test network, or a datacentre, is one prefix: there the limits against Sybils would only keep honest peers out.
 */
import { parseAddressText, readIpv4, readIpv6 } from "./address-text.ts";
import { UsageError } from "./errors.ts";

interface Block {
  /** 4 or 16. */
  readonly ip: Uint8Array;
  readonly prefixBits: number;
}

const loopback: readonly Block[] = ["127.0.0.0/8", "::1/128"].map(parseBlock);
const privateBlocks: readonly Block[] = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], // RFC 1918
  "169.254.0.0/16", // RFC 3927
  "fc00::/7", // RFC 4193
  "fe80::/10", // RFC 4291 §2.5.6
].map(parseBlock);

/** The address that is being looked at; one for all, since nothing is called meanwhile. */
const scratch = new Uint8Array(16);

export class Exemptions {
  readonly #blocks: readonly Block[];
  /** With the dot in front. */
  readonly #domains: readonly string[];

  /** @throws UsageError `invalidOption` for an entry that is not `private`, a CIDR block or `*.` and a domain */
  constructor(entries: readonly string[]) {
    const blocks = [...loopback];
    const domains = [".localhost"];
    for (const entry of entries) {
      if (entry === "private") blocks.push(...privateBlocks);
      else if (isDomainPattern(entry)) domains.push(entry.substring(1).toLowerCase());
      else blocks.push(parseBlock(entry));
    }
    this.#blocks = blocks;
    this.#domains = domains;
  }

  /** `host` in its canonical form; `family` is `undefined` for a name. */
  has(host: string, family: 4 | 6 | undefined): boolean {
    if (family === undefined)
      return host === "localhost" || this.#domains.some((domain) => host.endsWith(domain));
    const ip = scratch;
    if (family === 4) readIpv4(host, ip, 0);
    else readIpv6(host, ip, 0);
    return this.#blocks.some(
      (block) => block.ip.length === (family === 4 ? 4 : 16) && startsWithBlock(ip, block),
    );
  }
}

function isDomainPattern(entry: unknown): entry is string {
  if (typeof entry !== "string" || !entry.startsWith("*.")) return false;
  const parts = parseAddressText(`ws://${entry.substring(2)}`);
  return (
    typeof parts === "object" && parts.host === entry.substring(2).toLowerCase() && parts.ip === undefined
  );
}

function parseBlock(entry: string): Block {
  const match = /^([0-9a-fA-F.:]+)\/([0-9]{1,3})$/.exec(String(entry));
  if (match !== null) {
    const [, text = "", bits] = match;
    const ip = new Uint8Array(text.includes(":") ? 16 : 4);
    const read = ip.length === 4 ? readIpv4(text, ip, 0) : readIpv6(text, ip, 0);
    if (read && Number(bits) <= ip.length * 8) return { ip, prefixBits: Number(bits) };
  }
  throw new UsageError(
    "invalidOption",
    `exempt: "${String(entry)}"; allowed are "private", "10.0.0.0/8" and "*.example"`,
  );
}

function startsWithBlock(ip: Uint8Array, block: Block): boolean {
  const whole = block.prefixBits >>> 3;
  for (let i = 0; i < whole; i++) if (ip[i] !== block.ip[i]) return false;
  const rest = block.prefixBits & 7;
  return rest === 0 || ((ip[whole] as number) ^ (block.ip[whole] as number)) >>> (8 - rest) === 0;
}
