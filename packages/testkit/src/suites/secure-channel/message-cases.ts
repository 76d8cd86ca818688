/** What a channel carries, from whom, and what it tells of it. */
import { NodeId, toHex } from "@kad/core";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { bytesOf, type ChannelCase, fatesOf, numberOf } from "./stage.ts";

export const messageCases: readonly ChannelCase[] = [
  {
    name: "carries messages of every length both ways, as they were",
    rule: "seal, open",
    run(stage) {
      const [a, b] = stage.two();
      const lengths = [33, 0, 1, 2, 255, 256, stage.maxPlaintextBytes];
      for (const [number, length] of lengths.entries()) {
        stage.send(a, b, bytesOf(number, length), number + 1);
        stage.until(`a message of ${length} bytes arrives`, () => b.received.length > number);
        stage.send(b, a, bytesOf(number + 100, length), 0);
        stage.until(`an answer of ${length} bytes arrives`, () => a.received.length > number);
      }
      expectEqual(
        "the messages",
        b.received.map(({ plaintext }) => plaintext),
        lengths.map((length, i) => bytesOf(i, length)),
      );
      expectEqual(
        "the answers",
        a.received.map(({ plaintext }) => plaintext),
        lengths.map((length, i) => bytesOf(i + 100, length)),
      );
    },
  },
  {
    name: "says who has sent a message: the id that was proven, and where it came from",
    rule: "open: peer",
    run(stage) {
      const [a, b] = stage.two();
      const c = stage.side(2);
      for (const side of [a, c]) stage.send(side, b, bytesOf(1, 10), 1);
      stage.until("the messages arrive", () => b.received.length === 2);
      for (const { from } of b.received) {
        const sender = from.remote.key === a.address.key ? a : c;
        expectEqual("the address", from.remote.key, sender.address.key);
        expectThat("the id is that of who has sent it", from.peer.equals(sender.id));
      }
      stage.send(b, c, bytesOf(2, 10), 0);
      stage.until("the answer arrives", () => c.received.length > 0);
      expectThat("the id of who has answered", nth(c.received, 0).from.peer.equals(b.id));
    },
  },
  {
    name: "hands over plain bytes, never a Buffer",
    rule: "bytes",
    run(stage) {
      const [a, b] = stage.met();
      stage.send(a, b, bytesOf(1, 300), 0);
      stage.until("the message arrives", () => b.received.length > 0);
      expectThat(
        "the message is a plain Uint8Array",
        b.received.every(({ isPlain }) => isPlain),
      );
    },
  },
  {
    name: "keeps no hold of borrowed buffers: what it was given may be overwritten at once",
    rule: "bytes",
    run(stage) {
      const [a, b] = stage.two();
      // Kept back for a handshake, and the stage has overwritten all of them before it stands.
      const kept = [1, 2, 3].map((number) => stage.send(a, b, bytesOf(number, 40), number));
      expectEqual("what becomes of messages before a handshake", kept, ["pending", "pending", "pending"]);
      stage.until("they arrive", () => b.received.length === 3);
      for (const { plaintext } of b.received) {
        expectEqual("a message", plaintext, bytesOf(numberOf(plaintext), 40));
      }
    },
  },
  {
    name: "seals within overheadBytes, into room for no more",
    rule: "overheadBytes",
    run(stage) {
      const [a, b] = stage.met();
      for (const length of [0, 1, 100, stage.maxPlaintextBytes]) {
        const packet = stage.packetOf(a, b, bytesOf(1, length)); // where it seals at once, it is given no more room
        expectThat(
          `${length} bytes are sealed in ${packet.length}`,
          packet.length <= length + a.channel.overheadBytes,
        );
      }
    },
  },
  {
    name: "hides what it carries: nothing of it is in a packet, and no two packets are alike",
    rule: "encryption",
    run(stage) {
      const [a, b] = stage.met();
      const secret = bytesOf(7, 60);
      const handshake = [...a.packets, ...b.packets];
      for (let i = 0; i < 5; i++) {
        stage.send(a, b, secret, 0);
        stage.send(b, a, secret, 0);
        stage.run(1_000);
      }
      expectEqual("how many have been carried", [b.received.length, a.received.length], [5, 5]);
      const packets = [...a.packets, ...b.packets];
      const shown = toHex(secret.subarray(10, 30));
      expectThat(
        "no packet shows a part of it",
        packets.every((packet) => !toHex(packet).includes(shown)),
      );
      const parts = packets.filter((packet) => !handshake.includes(packet)).flatMap(partsOf);
      expectEqual("parts that stand in two packets", parts.length - new Set(parts).size, 0);
    },
  },
  {
    name: "tells that a message that was kept back has been sent, once",
    rule: "ChannelEvent: sent",
    run(stage) {
      const [a, b] = stage.two();
      for (const tag of [11, 12])
        expectEqual("before the handshake", stage.send(a, b, bytesOf(tag, 20), tag), "pending");
      expectEqual("events before the handshake", fatesOf(a, 11), []);
      stage.until("they arrive", () => b.received.length === 2);
      stage.run(120_000);
      expectEqual("what is told of the first", fatesOf(a, 11), ["sent"]);
      expectEqual("what is told of the second", fatesOf(a, 12), ["sent"]);
      // Where a session stands it is sealed, and nothing is told, or kept until it is polled, and told like any other.
      const sealed = stage.send(a, b, bytesOf(13, 20), 13);
      stage.run(5_000);
      expectEqual("what has arrived", b.received.length, 3);
      expectEqual("what is told of that", fatesOf(a, 13), sealed === "pending" ? ["sent"] : []);
    },
  },
  {
    name: "tells that a handshake has come to nothing, once for each message that waited",
    rule: "ChannelEvent: sendFailed",
    run(stage) {
      const [a, b] = stage.two();
      stage.link.script = () => [];
      for (const tag of [11, 12]) stage.send(a, b, bytesOf(tag, 20), tag);
      stage.until("the failures are told", () => [11, 12].every((tag) => fatesOf(a, tag).length > 0));
      stage.run(120_000);
      for (const tag of [11, 12]) expectEqual(`what is told of ${tag}`, fatesOf(a, tag), ["sendFailed"]);
      expectThat(
        "to the address that it was for",
        a.events.every((event) => event.type !== "sendFailed" || event.to.key === b.address.key),
      );
    },
  },
  {
    name: "fails what waits when the network says that the address is down",
    rule: "handleNetworkEvent",
    run(stage) {
      const [a, b] = stage.two();
      stage.link.script = () => [];
      stage.send(a, b, bytesOf(11, 20), 11);
      stage.settle();
      a.channel.handleNetworkEvent(stage.nowMs, { type: "sendFailed", to: b.address, reason: "unreachable" });
      stage.settle();
      expectEqual("what is told", fatesOf(a, 11), ["sendFailed"]);
      stage.run(120_000);
      expectEqual("what is told later", fatesOf(a, 11), ["sendFailed"]);
    },
  },
  {
    name: "gives a message to no other peer than the one that it is for",
    rule: "seal: peer",
    run(stage) {
      const [a, b] = stage.two();
      const absent = NodeId.fromBytes(new Uint8Array(a.id.length).fill(0x77));
      stage.send(a, b, bytesOf(11, 20), 11, absent);
      stage.until("the failure is told", () => fatesOf(a, 11).length > 0);
      stage.run(120_000);
      expectEqual("what is told of it", fatesOf(a, 11), ["sendFailed"]);
      expectEqual("what the other has received", b.received.length, 0);
      // And where somebody else is known already.
      const [c, d] = [stage.side(0), stage.side(1)];
      stage.expectAlive(c, d, 12);
      stage.send(c, d, bytesOf(13, 20), 13, absent);
      stage.run(120_000);
      expectEqual("what is told of that", fatesOf(c, 13), ["sendFailed"]);
      expectEqual("what the other has received", d.received.length, 1);
    },
  },
];

/** Every 16 bytes of a packet that are not all the same, in hex. */
function partsOf(packet: Uint8Array): string[] {
  const parts: string[] = [];
  for (let at = 0; at + 16 <= packet.length; at++) {
    const part = packet.subarray(at, at + 16);
    if (part.some((byte) => byte !== part[0])) parts.push(toHex(part));
  }
  return parts;
}
