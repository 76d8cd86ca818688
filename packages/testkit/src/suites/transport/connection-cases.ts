/** Where a message cannot go: nobody there, no room, a connection that is gone or slow. */
import { expectEqual, expectThat } from "../../expectations.ts";
import type { Endpoint, TransportCase, TransportStage, TransportTraits } from "./stage.ts";
import { patterned } from "./stage.ts";

const onlyStreams = ({ carries }: TransportTraits): string | undefined =>
  carries === "streams" ? undefined : "datagrams know no connections";

/** More than any queue may hold. */
const muchBytes = 2 ** 26;

/** Sends without a turn of the loop until it is refused, or `muchBytes` were taken. Returns how many were accepted. */
function fill(a: Endpoint, stage: TransportStage, url: string): { accepted: number; isRefused: boolean } {
  const length = Math.min(stage.traits.maxBytes, 16_384);
  const most = Math.ceil(muchBytes / length);
  const bytes = patterned(1, length);
  for (let accepted = 0; accepted < most; accepted++) {
    const before = a.failures.length;
    const outcome = a.send(url, bytes, accepted + 1);
    if (accepted % 64 === 0) a.transport.flush();
    const isFailed = a.failures.length > before && a.failures.at(-1)?.reason === "queueFull";
    if (outcome === "full" || isFailed) return { accepted, isRefused: true };
  }
  return { accepted: most, isRefused: false };
}

const unreachable: readonly TransportCase[] = [
  {
    name: "goes on after a message to where nobody listens",
    rule: "send: never throws on what the network does",
    async run(stage) {
      const [a, b] = await stage.two();
      const dead = await stage.deadUrl();
      for (const tag of [1, 2]) a.say(dead, patterned(tag, 10), tag);
      await stage.pass(10);
      a.say(b.url, patterned(3, 10), 3);
      await stage.until("the message to somebody else arrives", () => b.messages.length > 0);
      expectEqual("errors that concern no message", a.reports, []);
    },
  },
  {
    name: "tells the failure of each message that waited for a dial which fails, once",
    rule: "deferred, sendFailed",
    appliesTo: "streams",
    inapplicable: onlyStreams,
    async run(stage) {
      const a = await stage.endpoint();
      const dead = await stage.deadUrl();
      const outcomes = [1, 2, 3].map((tag) => a.send(dead, patterned(tag, 10), tag));
      a.transport.flush();
      expectEqual("the outcomes", outcomes, ["queued", "queued", "queued"]);
      const tagged = (): number[] => a.failures.flatMap(({ tag }) => tag ?? []).sort(ascending);
      await stage.until("the failures are told", () => tagged().length >= 3);
      await stage.pass(10);
      expectEqual("tags of failures", tagged(), [1, 2, 3]);
      expectEqual("tags that were sent", a.sentTags, []);
      expectThat(
        "each says unreachable, and the address",
        a.failures.every(({ to, reason }) => to === dead && reason === "unreachable"),
      );
    },
  },
  {
    name: "says of messages that wait for a dial that they are deferred, and then sent, once each",
    rule: "deferred, sent",
    appliesTo: "streams",
    inapplicable: onlyStreams,
    async run(stage) {
      const [a, b] = await stage.two();
      const outcomes = [1, 2, 3].map((tag) => a.send(b.url, patterned(tag, 10), tag));
      a.transport.flush();
      expectEqual("tags that are deferred before any time passes", a.deferredTags, [1, 2, 3]);
      expectEqual("tags that are sent before any time passes", a.sentTags, []);
      await stage.until("the messages arrive", () => b.messages.length === 3);
      await stage.until("they are said to be sent", () => a.sentTags.length >= 3);
      expectEqual("the outcomes", outcomes, ["queued", "queued", "queued"]);
      expectEqual("tags that were deferred", a.deferredTags, [1, 2, 3]);
      expectEqual("a message on an open connection", a.say(b.url, patterned(4, 10), 4), "sent");
      await stage.until("it arrives", () => b.messages.length === 4);
      expectEqual("tags that were sent", a.sentTags, [1, 2, 3]);
      expectEqual("failures", a.failures, []);
    },
  },
  {
    name: "loses and doubles nothing when both sides dial at once",
    rule: "send",
    appliesTo: "streams",
    inapplicable: onlyStreams,
    async run(stage) {
      const [a, b] = await stage.two();
      for (const number of [1, 2, 3]) {
        a.send(b.url, patterned(number, 100), number);
        b.send(a.url, patterned(number, 100), number);
      }
      a.transport.flush();
      b.transport.flush();
      await stage.until("all arrive", () => a.messages.length >= 3 && b.messages.length >= 3);
      await stage.pass(10);
      for (const { firstBytes, failures } of [a, b]) {
        expectEqual("what arrives", firstBytes.sort(ascending), [1, 2, 3]);
        expectEqual("failures", failures, []);
      }
    },
  },
  {
    name: "tells that the other side has gone, without a tag",
    rule: "sendFailed",
    appliesTo: "streams",
    inapplicable: onlyStreams,
    async run(stage) {
      const [a, b] = await stage.two();
      const { url } = b;
      a.say(url, patterned(1, 10), 1);
      await stage.until("the message arrives", () => b.messages.length > 0);
      await stage.until("it is said to be sent", () => a.sentTags.length > 0);
      await stage.shut(b);
      await stage.until("it is told", () => a.failures.length > 0);
      await stage.pass(5);
      expectEqual(
        "what is told",
        a.failures.map(({ to, tag }) => [to, tag]),
        [[url, undefined]],
      );
    },
  },
  {
    name: "dials again where a connection was, when somebody listens there again",
    rule: "send",
    appliesTo: "streams with `transportAt`",
    inapplicable: (traits) =>
      onlyStreams(traits) ?? (traits.hasTransportAt ? undefined : "the harness has no transportAt"),
    async run(stage) {
      const [a, first] = await stage.two();
      const { url } = first;
      a.say(url, patterned(1, 10), 1);
      await stage.until("the message arrives", () => first.messages.length > 0);
      await stage.shut(first);
      await stage.until("it is told", () => a.failures.length > 0);
      const second = await stage.open(stage.harness.transportAt?.(url) ?? stage.harness.transport());
      a.say(url, patterned(2, 10), 2);
      await stage.until("the next message arrives", () => second.messages.length > 0);
      expectEqual("what arrives", second.firstBytes, [2]);
    },
  },
];

const noRoom: readonly TransportCase[] = [
  {
    name: "refuses at some point, rather than to keep without a bound",
    rule: "send: full",
    async run(stage) {
      const [a, b] = await stage.two();
      const { accepted, isRefused } = fill(a, stage, b.url);
      expectThat(`it is full before ${accepted} messages wait`, isRefused);
      expectThat("it takes at least one", accepted > 0);
    },
  },
  {
    name: "takes messages again once there is room, and says so",
    rule: "flow",
    async run(stage) {
      const [a, b] = await stage.two();
      fill(a, stage, b.url);
      a.transport.flush();
      const wasFull = a.send(b.url, patterned(1, 10), 999_999) === "full";
      if (wasFull) {
        await stage.until("the flow opens", () => a.flows.some(({ open }) => open));
        expectThat(
          "of a kind that it carries",
          a.flows.every(({ kind }) => a.transport.kinds.includes(kind)),
        );
      } else {
        await stage.until("something arrives", () => b.messages.length > 0);
        await stage.pass(50);
      }
      a.say(b.url, patterned(9, 10));
      await stage.until("a message that is sent then arrives", () => b.firstBytes.includes(9));
    },
  },
  {
    name: "a connection that takes nothing is refused alone, and holds up no other",
    rule: "sendFailed: queueFull",
    appliesTo: "streams with `stalled`",
    inapplicable: (traits) =>
      onlyStreams(traits) ?? (traits.hasStalled ? undefined : "the harness has no stalled"),
    async run(stage) {
      const [a, b] = await stage.two();
      const stalled = await stage.stalled();
      a.say(stalled.url, patterned(1, 10), 1);
      await stage.until("the connection stands", () => a.sentTags.includes(1));
      const bytes = patterned(2, Math.min(stage.traits.maxBytes, 65_536));
      const isRefused = (): boolean =>
        a.failures.some(({ to, reason }) => to === stalled.url && reason === "queueFull");
      for (let sent = 0; sent < muchBytes && !isRefused(); sent += bytes.length) {
        expectThat("it is not full for all", a.say(stalled.url, bytes, 2 + sent) !== "full");
        if (sent % (16 * bytes.length) === 0) await stage.pass(1);
      }
      expectThat("the slow connection is refused with queueFull", isRefused());
      a.say(b.url, patterned(3, 10), 3);
      await stage.until("a message to another arrives", () => b.messages.length > 0);
    },
  },
];

export const connectionCases: readonly TransportCase[] = [...unreachable, ...noRoom];

function ascending(a: number, b: number): number {
  return a - b;
}
