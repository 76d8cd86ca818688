/** What a transport does with the messages that it is given. */
import { expectEqual, expectThat, nth } from "../../expectations.ts";
import type { TransportCase, TransportTraits } from "./stage.ts";
import { patterned } from "./stage.ts";

const onlyDatagrams = ({ carries }: TransportTraits): string | undefined =>
  carries === "datagrams"
    ? undefined
    : "it carries streams, where an empty frame may keep a connection alive";

export const messageCases: readonly TransportCase[] = [
  {
    name: "carries messages both ways",
    rule: "send, message",
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, Uint8Array.of(1, 2, 3));
      await stage.until("the message arrives", () => b.messages.length > 0);
      expectEqual("the message", nth(b.messages, 0).bytes, Uint8Array.of(1, 2, 3));
      const { from } = nth(b.messages, 0);
      b.say(from, Uint8Array.of(4));
      await stage.until("the answer arrives", () => a.messages.length > 0);
      expectEqual("the answer", nth(a.messages, 0).bytes, Uint8Array.of(4));
      a.say(b.url, Uint8Array.of(5));
      await stage.until("the next message arrives", () => b.messages.length > 1);
      expectEqual("the next message", nth(b.messages, 1).bytes, Uint8Array.of(5));
    },
  },
  {
    name: "says where a message came from, and whether that can be dialled",
    rule: "message: Path",
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, Uint8Array.of(1));
      await stage.until("the message arrives", () => b.messages.length > 0);
      const { from } = nth(b.messages, 0);
      b.say(from, Uint8Array.of(2));
      await stage.until("the answer arrives", () => a.messages.length > 0);
      const answeredBy = nth(a.messages, 0).from;
      if (stage.traits.carries === "datagrams") {
        expectEqual("where a datagram came from", [from.remote.key, from.dialable], [a.url, true]);
        expectEqual("where an answer came from", [answeredBy.remote.key, answeredBy.dialable], [b.url, true]);
      } else {
        expectEqual("whether one who has connected to us can be dialled there", from.dialable, false);
        expectEqual("where an answer came from", [answeredBy.remote.key, answeredBy.dialable], [b.url, true]);
      }
      if (from.local !== undefined) expectEqual("where it came to", from.local.key, b.url);
      expectThat(
        "the address is one of the table that the transport was given",
        b.addresses.parse(from.remote.key) === from.remote,
      );
    },
  },
  {
    name: "hands over plain bytes, never a Buffer",
    rule: "bytes",
    async run(stage) {
      const [a, b] = await stage.two();
      for (const length of [1, 600]) a.say(b.url, patterned(1, Math.min(length, stage.traits.maxBytes)));
      await stage.until("the messages arrive", () => b.messages.length > 1);
      expectThat(
        "every message is a plain Uint8Array",
        b.messages.every(({ isPlain }) => isPlain),
      );
    },
  },
  {
    name: "keeps no hold of what it was given: the scratch may be overwritten at once",
    rule: "bytes",
    async run(stage) {
      const [a, b] = await stage.two();
      // The stage overwrites the scratch after each send; that is all of this case.
      for (let number = 1; number <= 20; number++) a.send(b.url, patterned(number, 20 + number));
      a.transport.flush();
      await stage.until("the messages arrive", () => b.messages.length === 20);
      for (const { bytes } of b.messages) {
        const number = nth(bytes, 0);
        expectEqual("a message", bytes, patterned(number, 20 + number));
      }
    },
  },
  {
    name: "hands over bytes that may be overwritten: nothing that comes later changes with them",
    rule: "bytes",
    async run(stage) {
      const [a, b] = await stage.two();
      // Sent at once, so that they lie side by side wherever they are gathered; the stage overwrites each in turn.
      for (let number = 1; number <= 20; number++) a.send(b.url, patterned(number, 50 - number));
      a.transport.flush();
      await stage.until("the messages arrive", () => b.messages.length === 20);
      const found = b.messages.map(({ bytes }) => [nth(bytes, 0), bytes.length]).sort(byFirst);
      expectEqual(
        "numbers and lengths",
        found,
        Array.from({ length: 20 }, (_, i) => [i + 1, 49 - i]),
      );
      for (const { bytes } of b.messages)
        expectEqual("a message", bytes, patterned(nth(bytes, 0), bytes.length));
    },
  },
  {
    name: "keeps messages apart, whatever their lengths",
    rule: "framing",
    async run(stage) {
      const [a, b] = await stage.two();
      const lengths = [1, 2, 3, 4, 5, 127, 128, 255, 256, 257, 1_000, 1_199, 1_200, 65_535, 65_536, 70_000];
      const fitting = lengths.filter((length) => length <= stage.traits.maxBytes);
      for (let first = 0; first < fitting.length; first += 4) {
        const batch = fitting.filter((_, i) => i >= first && i < first + 4);
        for (const [i, length] of batch.entries()) a.send(b.url, patterned(first + i, length));
        a.transport.flush();
        await stage.until("a batch arrives", () => b.messages.length >= first + batch.length);
      }
      expectEqual("how many messages", b.messages.length, fitting.length);
      for (const { bytes } of b.messages) {
        const number = nth(bytes, 0);
        expectEqual(`the length of message ${number}`, bytes.length, fitting[number]);
        expectEqual(`message ${number}`, bytes, patterned(number, bytes.length));
      }
    },
  },
  {
    name: "carries messages of one byte and of maxBytes",
    rule: "maxBytes",
    async run(stage) {
      const [a, b] = await stage.two();
      const { maxBytes } = stage.traits;
      for (const [number, length] of [maxBytes, 1, maxBytes - 1, maxBytes].entries()) {
        a.say(b.url, patterned(number, length));
        await stage.until(`a message of ${length} bytes arrives`, () => b.messages.length > number);
        expectThat(
          `the message of ${length} bytes is whole, and not ${nth(b.messages, number).bytes.length} bytes`,
          isEqual(nth(b.messages, number).bytes, patterned(number, length)),
        );
      }
    },
  },
  {
    name: "carries an empty message",
    rule: "maxBytes",
    appliesTo: "datagrams",
    inapplicable: onlyDatagrams,
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, new Uint8Array(0));
      await stage.until("the message arrives", () => b.messages.length > 0);
      expectEqual("its length", nth(b.messages, 0).bytes.length, 0);
    },
  },
  {
    name: "refuses a message of more than maxBytes with its tag, and carries the next",
    rule: "sendFailed: tooLarge",
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, patterned(1, stage.traits.maxBytes + 1), 7);
      await stage.until("the failure is told", () => a.failures.length > 0);
      expectEqual("the failures", a.failures, [{ to: b.url, tag: 7, reason: "tooLarge" }]);
      a.say(b.url, patterned(2, 10));
      await stage.until("the next message arrives", () => b.messages.length > 0);
      expectEqual("what has arrived", b.firstBytes, [2]);
    },
  },
  {
    name: "delivers no message twice",
    rule: "message",
    async run(stage) {
      const [a, b] = await stage.two();
      for (let number = 0; number < 30; number++) a.send(b.url, patterned(number, 9));
      a.transport.flush();
      await stage.until("the last messages arrive", () => b.firstBytes.includes(29));
      await stage.pass(5);
      expectEqual("how often a number came", b.messages.length, new Set(b.firstBytes).size);
    },
  },
  {
    name: "delivers the messages of one sender in their order",
    rule: "message",
    appliesTo: "ordered transports",
    inapplicable: ({ isOrdered }) => (isOrdered ? undefined : "its messages may overtake each other"),
    async run(stage) {
      const [a, b] = await stage.two();
      const large = Math.min(stage.traits.maxBytes, 200_000);
      for (let number = 0; number < 40; number++) {
        a.send(b.url, patterned(number, number % 8 === 0 ? large : 1 + number));
        if (number % 5 === 0) a.transport.flush();
      }
      a.transport.flush();
      await stage.until("all messages arrive", () => b.messages.length === 40);
      expectEqual(
        "their order",
        b.firstBytes,
        Array.from({ length: 40 }, (_, i) => i),
      );
    },
  },
  {
    name: "loses nothing that it has accepted, however much is sent at once",
    rule: "message",
    appliesTo: "streams",
    inapplicable: ({ carries }) => (carries === "streams" ? undefined : "datagrams may be lost"),
    async run(stage) {
      const [a, b] = await stage.two();
      let accepted = 0;
      for (let tag = 1; tag <= 100; tag++) {
        const outcome = a.send(b.url, patterned(tag, 10_000), tag);
        if (outcome === "sent" || outcome === "queued") accepted++;
      }
      a.transport.flush();
      const failed = (): number => a.failures.filter(({ tag }) => tag !== undefined).length;
      await stage.until("each arrives or fails", () => b.messages.length + failed() >= accepted);
      expectThat(`some of ${accepted} arrive`, b.messages.length > 0);
      for (const { bytes } of b.messages) {
        expectThat("each is whole", isEqual(bytes, patterned(nth(bytes, 0), 10_000)));
      }
      expectEqual("arrived and failed", b.messages.length + failed(), accepted);
    },
  },
];

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function byFirst(a: readonly number[], b: readonly number[]): number {
  return nth(a, 0) - nth(b, 0);
}
