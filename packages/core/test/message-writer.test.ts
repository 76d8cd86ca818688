import { describe, expect, it } from "vitest";
import { AddressTable } from "../src/address-table.ts";
import { MessageWriter } from "../src/message-writer.ts";
import { NodeId } from "../src/node-id.ts";
import type { Message } from "../src/protocol.ts";
import { nativeProtocol } from "../src/wire/native-protocol.ts";

const addresses = new AddressTable();
addresses.setLink("udp4", { link: 1, maxBytes: 500 });
const to = addresses.parse("udp://192.0.2.1:4000");
const id = NodeId.fromBytes(new Uint8Array(32).fill(7));
const protocol = nativeProtocol({ addresses });
const requestId = { high: 1, low: 2 };

function writerOf(
  options: { readonly isClient?: boolean; readonly padRequests?: boolean } = {},
): MessageWriter {
  const addresses = { dialable: 5 };
  return new MessageWriter({ protocol, id, isClient: false, padRequests: false, addresses, ...options });
}

const findNode = { type: "findNode", target: id, wantToken: false } as const;

describe("MessageWriter", () => {
  it("puts our id, what we are and what we can dial into every request", () => {
    const into = new Uint8Array(1_200);
    const length = writerOf({ isClient: true }).request(to, requestId, { type: "ping" }, into) as number;
    const message = protocol.decode(into.subarray(0, length)) as Message;
    expect(message).toMatchObject({ kind: "request", requestId, client: true, want: 5, addresses: [] });
    expect(message.sender.equals(id)).toBe(true);
  });

  it("echoes the request's id in a response, and declares our addresses in both", () => {
    const writer = writerOf();
    writer.declared = [to];
    const into = new Uint8Array(1_200);
    for (const length of [
      writer.request(to, requestId, { type: "ping" }, into),
      writer.response(to, requestId, { type: "pong" }, into, 1_200),
    ]) {
      const message = protocol.decode(into.subarray(0, length)) as Message;
      expect(message).toMatchObject({ requestId, client: false, addresses: [{ key: to.key }] });
    }
  });

  it("pads requests that may draw a large answer, when told to", () => {
    const into = new Uint8Array(1_200);
    const plain = writerOf().request(to, requestId, findNode, into) as number;
    const padded = writerOf({ padRequests: true }).request(to, requestId, findNode, into) as number;
    expect(padded).toBeGreaterThan(plain);
  });

  it("writes nothing that is larger than the buffer, or than what the address can take", () => {
    const writer = writerOf();
    const body = new Uint8Array(600);
    const application = { type: "application", protocol: "p", body } as const;
    const into = new Uint8Array(1_200);
    expect(writer.request(to, requestId, application, into)).toBeUndefined();
    expect(writer.response(to, requestId, { type: "application", body }, into, 1_200)).toBeUndefined();
    expect(writer.response(to, requestId, { type: "pong" }, into, 20)).toBeUndefined();
    expect(writer.request(to, requestId, { type: "ping" }, new Uint8Array(10))).toBeUndefined();
    const fits = { ...application, body: new Uint8Array(300) };
    expect(writer.request(to, requestId, fits, into)).toBeLessThanOrEqual(500);
  });
});
