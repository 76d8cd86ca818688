/**
 * The network that an address belongs to, as far as one owner commonly has the whole of it: /24 of IPv4, /48 of IPv6.
 */
import { type Address, type AddressCodec, SocketAddress, toHex } from "@kad/core";

/** udp6 and tcp6: a tag, then 16 bytes. */
const ipv6Kinds = 0b1010;

/** `undefined`: exempt from limits, as loopback is, and what the host has exempted in its {@link AddressCodec}. */
export function prefixOf(addresses: AddressCodec, address: Address): string | undefined {
  const group = addresses.group(address);
  const isIpv6 = address instanceof SocketAddress && (address.kind & ipv6Kinds) !== 0;
  // The codec's own group of IPv6 is a /64, of which one owner commonly has 65,536.
  return group === undefined || !isIpv6 ? group : `${toHex(address.wire.subarray(1, 7))}/48`;
}
