/**
 * A provider as it lies in a {@link RecordStore}.
 *
 *     body = count u8 | address … | meta              the addresses as on the wire
 */
import { type Address, type AddressCodec, maxAddresses } from "./address.ts";

export function writeProviderBody(addresses: readonly Address[], meta: Uint8Array): Uint8Array {
  const addressBytes = addresses.reduce((sum, { wire }) => sum + wire.length, 0);
  const body = new Uint8Array(1 + addressBytes + meta.length);
  body[0] = addresses.length;
  let at = 1;
  for (const { wire } of addresses) {
    body.set(wire, at);
    at += wire.length;
  }
  body.set(meta, at);
  return body;
}

/** `undefined` when it is no body of ours. `meta` is a view of it. */
export function readProviderBody(
  codec: AddressCodec,
  body: Uint8Array,
): { readonly addresses: readonly Address[]; readonly meta: Uint8Array } | undefined {
  const count = body[0] ?? 0;
  if (count < 1 || count > maxAddresses) return undefined;
  const addresses: Address[] = [];
  let at = 1;
  for (let i = 0; i < count; i++) {
    const address = codec.decode(body, at, body.length - at);
    if (address === undefined || address.wire.length > body.length - at) return undefined;
    addresses.push(address);
    at += address.wire.length;
  }
  return { addresses, meta: body.subarray(at) };
}
