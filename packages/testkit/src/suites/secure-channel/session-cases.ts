/** How sessions begin and end, and what bounds them. */
import { toHex } from "@kad/core";
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import { seededRandom } from "../../seeded-random.ts";
import { bytesOf, type ChannelCase, type ChannelTraits, fatesOf, numberOf } from "./stage.ts";

const onlyDatagrams = ({ carries }: ChannelTraits): string | undefined =>
  carries === "datagrams" ? undefined : "a stream is reliable, and its address is proven by the connection";

/** No handshake has more packets; where it has fewer, the first messages are lost. */
const maxHandshakePackets = 5;
/** More than any channel may keep for a handshake. */
const muchBytes = 4 * 2 ** 20;

export const sessionCases: readonly ChannelCase[] = [
  {
    name: "a handshake survives the loss of any one of its packets",
    rule: "handshake",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    run(stage) {
      for (let lost = 0; lost < maxHandshakePackets; lost++) {
        const [a, b] = stage.two();
        const first = stage.sentPackets;
        stage.link.script = ({ number }) => (number === first + lost ? [] : [10]);
        stage.send(a, b, bytesOf(1, 10), 1);
        stage.run(30_000, () => b.received.length > 0);
        stage.link.script = () => [10];
        if (b.received.length === 0) {
          expectEqual("what is told, where it was the message itself that was lost", fatesOf(a, 1), ["sent"]);
          stage.expectAlive(a, b, 2);
        }
        stage.expectAlive(b, a, 3);
      }
    },
  },
  {
    name: "both may begin at once, and every message arrives once",
    rule: "handshake",
    appliesTo: "datagrams",
    inapplicable: ({ carries }) =>
      carries === "datagrams"
        ? undefined
        : "of a stream one side is the initiator; two that are dialled at once are two",
    run(stage) {
      const [a, b] = stage.two();
      for (const number of [1, 2]) {
        stage.send(a, b, bytesOf(number, 10), number);
        stage.send(b, a, bytesOf(number, 10), number);
      }
      stage.run(30_000);
      for (const side of [a, b]) {
        const numbers = side.received.map(({ plaintext }) => numberOf(plaintext)).sort((x, y) => x - y);
        expectEqual("what arrives", numbers, [1, 2]);
        for (const tag of [1, 2]) expectEqual("what is told of it", fatesOf(side, tag), ["sent"]);
      }
    },
  },
  {
    name: "an address that is not proven is sent no more than it has sent",
    rule: "amplification",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    run(stage) {
      const [a, b] = stage.two();
      stage.send(a, b, bytesOf(1, 10), 1);
      const { packet } = nth(stage.poll(a), 0);
      for (let host = 1; host <= 50; host++) {
        stage.open(b, stage.addresses.parse(`udp://10.7.${host}.1:4000`), packet);
        const sent = stage.poll(b).reduce((sum, one) => sum + one.packet.length, 0);
        expectThat(`at most ${packet.length} bytes come back, and not ${sent}`, sent <= packet.length);
      }
    },
  },
  {
    name: "keeps back no more than a bound for handshakes, and says queueFull beyond it",
    rule: "bounds",
    run(stage) {
      const [a, b] = stage.two();
      stage.link.script = () => [];
      const length = stage.maxPlaintextBytes;
      const most = Math.ceil(muchBytes / length);
      let tag = 1;
      while (tag < most && stage.seal(a, b, bytesOf(tag, length), tag) === "pending") tag++;
      expectThat(`it refuses before ${most} messages are kept back`, tag < most);
      stage.poll(a);
      expectEqual(
        "what is told of the one that is refused",
        a.events.flatMap((event) => (event.type === "sendFailed" && event.tag === tag ? [event.reason] : [])),
        ["queueFull"],
      );
      stage.run(120_000);
      expectEqual("what is told of the first", fatesOf(a, 1), ["sendFailed"]);
      expectEqual("what is told of the last", fatesOf(a, tag), ["sendFailed"]);
    },
  },
  {
    name: "keeps every gauge within its limit, whatever strangers send",
    rule: "bounds",
    appliesTo: "peers with `gauges`",
    inapplicable: ({ hasGauges }) => (hasGauges ? undefined : "the peer has no gauges"),
    run(stage) {
      const [a, b] = stage.two();
      const random = seededRandom(4);
      const packets: Uint8Array[] = [];
      for (let i = 0; i < 12; i++) {
        const stranger = stage.side(2, 100 + i);
        stage.send(stranger, b, bytesOf(i, 10), 1);
        packets.push(...stage.poll(stranger).map(({ packet }) => packet));
      }
      for (let i = 0; i < 1_000; i++) {
        const packet = nth(packets, random.below(packets.length));
        stage.open(b, stage.addresses.parse(`udp://10.${8 + (i >> 8)}.${i & 255}.1:4000`), packet);
        stage.poll(b);
      }
      const gauges = Object.entries(b.gauges?.() ?? {});
      expectThat("there are gauges", gauges.length > 0);
      for (const [name, { used, limit }] of gauges) {
        expectThat(`${name} is at most ${limit}, and not ${used}`, used <= limit);
      }
      stage.run(60_000);
      stage.expectAlive(a, b, 1);
    },
  },
  {
    name: "early and repeated timeouts do nothing",
    rule: "handleTimeout",
    run(stage) {
      const [a, b] = stage.two();
      stage.link.script = () => [];
      stage.send(a, b, bytesOf(1, 10), 1);
      stage.settle();
      const deadline = a.channel.nextDeadline()?.atMs ?? 0;
      expectThat("it waits for something to come", deadline > stage.nowMs);
      for (let i = 0; i < 3; i++) {
        a.channel.handleTimeout(stage.nowMs);
        expectEqual("packets after an early timeout", stage.poll(a).length, 0);
        expectEqual("the deadline after it", a.channel.nextDeadline()?.atMs, deadline);
      }
      stage.nowMs = deadline;
      a.channel.handleTimeout(deadline);
      stage.poll(a);
      a.channel.handleTimeout(deadline);
      expectEqual("packets after a repeated timeout", stage.poll(a).length, 0);
      expectThat("the next deadline is later", (a.channel.nextDeadline()?.atMs ?? deadline + 1) > deadline);
    },
  },
  {
    name: "the same calls and draws give the same packets",
    rule: "determinism",
    run(stage) {
      const play = (): string[] => {
        stage.reset();
        const [a, b] = stage.two();
        for (const number of [1, 2, 3]) {
          stage.send(a, b, bytesOf(number, 30), number);
          stage.send(b, a, bytesOf(number, 30), number);
          stage.run(2_000);
        }
        return [...a.packets, ...b.packets].map(toHex);
      };
      expectEqual("a second run", play(), play());
    },
  },
  {
    name: "closing fails what waits, says goodbye, and is drained then",
    rule: "close",
    run(stage) {
      const [a, b] = stage.met();
      const c = stage.side(2);
      stage.link.script = () => [];
      stage.send(a, c, bytesOf(21, 10), 21);
      stage.settle();
      expectThat("an open channel is not drained", !a.channel.drained);
      a.channel.close(stage.nowMs);
      const goodbyes = stage.poll(a);
      expectEqual("what is told of what waited", fatesOf(a, 21), ["sendFailed"]);
      expectThat(
        "the peer is told",
        goodbyes.some(({ to }) => to.key === b.address.key),
      );
      expectThat("it is drained then", a.channel.drained);
      expectEqual("what it waits for", a.channel.nextDeadline(), undefined);
      a.channel.close(stage.nowMs);
      stage.run(60_000);
      expectEqual("what is told of what waited, later", fatesOf(a, 21), ["sendFailed"]);
      expectEqual("what comes of closing twice", stage.poll(a).length, 0);
      // Who was told knows that the session is gone: a message waits for a new one.
      for (const { to, packet } of goodbyes) if (to.key === b.address.key) stage.open(b, a.address, packet);
      expectEqual("what becomes of a message to it", stage.send(b, a, bytesOf(22, 10), 22), "pending");
    },
  },
];
