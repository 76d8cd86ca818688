/** What somebody on the path can do: change, forge, replay, lose, double and reorder packets. */
import { copyBytes } from "@kad/core";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { seededRandom } from "../../seeded-random.ts";
import {
  bytesOf,
  type ChannelCase,
  type ChannelStage,
  type ChannelTraits,
  flipped,
  numberOf,
  type Side,
} from "./stage.ts";

const onlyDatagrams = ({ carries }: ChannelTraits): string | undefined =>
  carries === "datagrams" ? undefined : "a stream is closed by the first packet that is not right";

/** Nothing comes of the packets: at most a hint for their sender that there is no such session, shorter than they are. */
function expectUnmoved(stage: ChannelStage, side: Side, packets: readonly Uint8Array[], from: Side): void {
  stage.poll(side);
  const state = (): unknown => [side.received.length, side.events.length, side.channel.nextDeadline()?.atMs];
  const before = state();
  for (const packet of packets) {
    stage.open(side, from.address, packet);
    const answers = stage.poll(side);
    const bytes = answers.reduce((sum, answer) => sum + answer.packet.length, 0);
    expectThat(`at most ${packet.length} bytes come back, and not ${bytes}`, bytes <= packet.length);
    expectThat(
      "and to nobody else",
      answers.every(({ to }) => to.key === from.address.key),
    );
  }
  expectEqual("messages, events and the deadline", state(), before);
}

/** Sealed messages that have not left. */
function sealMany(stage: ChannelStage, from: Side, to: Side, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, number) => stage.packetOf(from, to, bytesOf(number, 20 + number)));
}

export const attackCases: readonly ChannelCase[] = [
  {
    name: "a change of one bit anywhere in a message fails closed",
    rule: "integrity",
    run(stage) {
      const [a, b] = stage.met();
      const packet = nth(sealMany(stage, a, b, 1), 0);
      if (stage.carries === "streams") {
        stage.open(b, a.address, flipped(packet, 8 * packet.length - 1));
        stage.open(b, a.address, packet);
        for (const next of sealMany(stage, a, b, 2)) stage.open(b, a.address, next);
        expectEqual("messages after the change", b.received.length, 0);
        return;
      }
      for (let bit = 0; bit < 8 * packet.length; bit++) {
        expectEqual(
          `what comes of a change of bit ${bit}`,
          stage.open(b, a.address, flipped(packet, bit)),
          undefined,
        );
      }
      for (const cut of [0, 1, packet.length - 1]) {
        expectEqual(
          `what comes of its first ${cut} bytes`,
          stage.open(b, a.address, copyBytes(packet, 0, cut)),
          undefined,
        );
      }
      const longer = Uint8Array.of(...packet, 0);
      expectEqual("what comes of a byte more", stage.open(b, a.address, longer), undefined);
      expectEqual("the unchanged one", stage.open(b, a.address, packet)?.plaintext, bytesOf(0, 20));
    },
  },
  {
    name: "a change of one bit anywhere in a handshake fails closed",
    rule: "integrity",
    run(stage) {
      const sizes = stage.exchange();
      const random = seededRandom(5);
      for (let flips = 0; flips < stage.handshakeFlips; flips++) {
        const packet = random.below(sizes.length);
        stage.exchange({ packet, bit: random.below(8 * nth(sizes, packet)) });
      }
    },
  },
  {
    name: "a forged packet changes nothing but a counter",
    rule: "forgery",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    run(stage) {
      const [a, b] = stage.met();
      const c = stage.side(2);
      const random = seededRandom(9);
      const real = nth(sealMany(stage, a, b, 1), 0);
      const forged: Uint8Array[] = [];
      for (let i = 0; i < 300; i++) {
        const packet = i % 2 === 0 ? copyBytes(real) : new Uint8Array(random.below(300));
        if (i % 2 === 0) packet[random.below(packet.length)] = random.below(256) ^ 0x5a;
        else random.fill(packet);
        if (i % 2 === 1 || packet.some((byte, at) => byte !== real[at])) forged.push(packet);
      }
      expectUnmoved(stage, b, forged, a);
      expectUnmoved(stage, b, forged, c);
      expectUnmoved(stage, a, forged, b);
      expectEqual("the real one", stage.open(b, a.address, real)?.plaintext, bytesOf(0, 20));
      stage.expectAlive(a, b, 1);
      stage.expectAlive(b, a, 2);
    },
  },
  {
    name: "nothing replayed is accepted: not at once, not later, not by who has sent it, not by another",
    rule: "replay",
    run(stage) {
      const [a, b] = stage.two();
      stage.send(a, b, bytesOf(0, 10), 1);
      stage.until("the first message arrives", () => b.received.length > 0);
      for (let number = 1; number < 6; number++) {
        stage.send(a, b, bytesOf(number, 10), 0);
        stage.send(b, a, bytesOf(number, 10), 0);
        stage.run(100);
      }
      const c = stage.side(2);
      const [toA, toB] = [a.received.length, b.received.length];
      for (const waitMs of [0, 3_000, 60_000]) {
        stage.run(waitMs);
        for (const packet of [...a.packets]) {
          stage.open(b, a.address, packet);
          stage.open(b, c.address, packet);
          stage.open(a, b.address, packet);
          stage.open(c, a.address, packet);
        }
        for (const packet of [...b.packets]) {
          stage.open(a, b.address, packet);
          stage.open(b, a.address, packet);
        }
        stage.settle();
        expectEqual(
          "messages that were received again",
          [a.received.length - toA, b.received.length - toB, c.received.length],
          [0, 0, 0],
        );
      }
      if (stage.carries === "datagrams") stage.expectAlive(a, b, 99);
    },
  },
  {
    name: "a handshake that is replayed to one who was started anew gives nothing",
    rule: "replay",
    run(stage) {
      const [a, b] = stage.two();
      stage.send(a, b, bytesOf(0, 10), 1);
      stage.until("the first message arrives", () => b.received.length > 0);
      stage.send(a, b, bytesOf(1, 10), 0);
      stage.run(1_000);
      const again = stage.side(1, 77); // the same identity, and other draws
      for (const packet of [...a.packets]) {
        stage.open(again, a.address, packet);
        stage.settle();
      }
      expectEqual("messages that it takes", again.received.length, 0);
    },
  },
  {
    name: "loss, doubling and reordering deliver each message at most once",
    rule: "at most once",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    run(stage) {
      const [a, b] = stage.met();
      const random = seededRandom(3);
      stage.link.script = () => {
        const fate = random.below(10);
        if (fate < 2) return [];
        const delayMs = 1 + random.below(60);
        return fate < 5 ? [delayMs, delayMs + random.below(200)] : [delayMs];
      };
      for (let number = 0; number < 200; number++) {
        stage.send(a, b, bytesOf(number, 10 + (number % 50)), 0);
        stage.run(3);
      }
      stage.run(10_000);
      const numbers = b.received.map(({ plaintext }) => numberOf(plaintext));
      expectEqual("messages that came twice", numbers.length - new Set(numbers).size, 0);
      expectThat(`most of 200 arrive, and not ${numbers.length}`, numbers.length > 120);
      for (const { plaintext } of b.received) {
        const number = numberOf(plaintext);
        expectEqual(`message ${number}`, plaintext, bytesOf(number, 10 + (number % 50)));
      }
    },
  },
  {
    name: "a packet that is late is still taken, once, after those that have overtaken it",
    rule: "window",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    run(stage) {
      const [a, b] = stage.met();
      const packets = sealMany(stage, a, b, 30);
      for (const packet of packets.toReversed()) stage.open(b, a.address, packet);
      for (const packet of packets) stage.open(b, a.address, packet);
      const numbers = b.received.map(({ plaintext }) => numberOf(plaintext)).sort((x, y) => x - y);
      expectEqual(
        "the messages",
        numbers,
        packets.map((_, number) => number),
      );
    },
  },
  {
    name: "messages arrive in their order, or not at all",
    rule: "order",
    appliesTo: "streams",
    inapplicable: ({ carries }) => (carries === "streams" ? undefined : "datagrams may overtake each other"),
    run(stage) {
      const [a, b] = stage.met();
      const packets = sealMany(stage, a, b, 3);
      for (const i of [0, 2, 1, 2]) stage.open(b, a.address, nth(packets, i));
      expectEqual(
        "the messages",
        b.received.map(({ plaintext }) => numberOf(plaintext)),
        [0],
      );
    },
  },
];
