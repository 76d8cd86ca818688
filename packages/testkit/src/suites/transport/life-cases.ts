/** Opening, flushing, closing, and descriptors. */
import { type AddressKind, addressKinds, ListenError, UsageError } from "@kad/core";
import { shortPause } from "../../event-loop.ts";
import { ExpectationError, expectEqual, expectRefusal, expectThat, nth } from "../../expectations.ts";
import { Endpoint, isPolled, patterned, type TransportCase, type TransportTraits } from "./stage.ts";

const beginning: readonly TransportCase[] = [
  {
    name: "has local addresses of its kinds, in the table that it was given",
    rule: "localAddresses",
    async run(stage) {
      const a = await stage.endpoint();
      const { kinds, localAddresses } = a.transport;
      expectThat("it has one at least", localAddresses.length > 0);
      for (const address of localAddresses) {
        expectThat(`${address.key} is of the table`, a.addresses.parse(address.key) === address);
        expectThat(`${address.key} is of a kind that it carries`, (bitsOf(kinds) & address.kind) !== 0);
      }
    },
  },
  {
    name: "refuses to be opened twice",
    rule: "open",
    async run(stage) {
      const a = await stage.endpoint();
      const again = async (): Promise<void> => {
        await a.transport.open(a, a.addresses);
      };
      await expectRefusal("opening twice", again, (error) => error instanceof UsageError);
      const b = await stage.peer();
      b.say(a.url, patterned(1, 10));
      await stage.until("it still hears", () => a.messages.length > 0);
    },
  },
  {
    name: "fails at an address in use with a ListenError that names it",
    rule: "open: ListenError",
    appliesTo: "harnesses with `transportAt`",
    inapplicable: ({ hasTransportAt }) => (hasTransportAt ? undefined : "the harness has no transportAt"),
    async run(stage) {
      const a = await stage.endpoint();
      const before = await stage.harness.openHandles?.();
      const second = stage.harness.transportAt?.(a.url) ?? stage.harness.transport();
      const opening = async (): Promise<void> => {
        const { addresses } = new Endpoint(second);
        await second.open(a, addresses);
      };
      await expectRefusal("opening", opening, (error) => {
        return error instanceof ListenError && error.code === "addressInUse" && error.url === a.url;
      });
      await second.close();
      await stage.pass(3);
      if (before !== undefined) {
        expectThat("nothing stays open", ((await stage.harness.openHandles?.()) ?? 0) <= before);
      }
      const b = await stage.peer();
      b.say(a.url, patterned(1, 10));
      await stage.until("the first still hears", () => a.messages.length > 0);
    },
  },
  {
    name: "nothing that was flushed waits for another call",
    rule: "flush",
    async run(stage) {
      const [a, b] = await stage.two();
      a.send(b.url, patterned(1, 10));
      a.send(b.url, patterned(2, 10));
      a.transport.flush();
      await stage.until("the messages arrive", () => b.messages.length === 2);
      b.send(nth(b.messages, 0).from, patterned(3, 10));
      b.transport.flush();
      await stage.until("the answer arrives", () => a.messages.length === 1);
    },
  },
];

const end: readonly TransportCase[] = [
  {
    name: "lets leave what was sent before it is closed",
    rule: "close",
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, patterned(0, 10));
      await stage.until("the first message arrives", () => b.messages.length > 0);
      for (let number = 1; number <= 20; number++) a.send(b.url, patterned(number, 500));
      a.transport.flush();
      const closing = stage.shut(a);
      await stage.until("all messages arrive", () => b.messages.length === 21);
      await closing;
    },
  },
  {
    name: "tells nothing once it is closed",
    rule: "close",
    async run(stage) {
      const [a, b] = await stage.two();
      const { url } = a;
      const dead = await stage.deadUrl();
      a.say(b.url, patterned(1, 10), 1);
      await stage.until("the message arrives", () => b.messages.length > 0);
      b.say(url, patterned(2, 10), 2);
      a.say(dead, patterned(3, 10), 3);
      const { told } = a;
      const closing = stage.shut(a);
      b.say(url, patterned(4, 10), 4);
      await stage.pass(20);
      await closing;
      expectEqual("what it has told since", a.told - told, 0);
    },
  },
  {
    name: "closing twice is closing once",
    rule: "close",
    async run(stage) {
      const a = await stage.endpoint();
      const closing = a.transport.close();
      await a.transport.close();
      await closing;
      await a.transport.close();
    },
  },
  {
    name: "frees every handle when it is closed, also of connections",
    rule: "close",
    appliesTo: "harnesses with `openHandles`",
    inapplicable: ({ countsHandles }) => (countsHandles ? undefined : "the harness has no openHandles"),
    async run(stage) {
      const openHandles = async () => (await stage.harness.openHandles?.()) ?? 0;
      await stage.pass(3);
      const before = await openHandles();
      const [a, b] = await stage.two();
      a.say(b.url, patterned(1, 10));
      await stage.until("the message arrives", () => b.messages.length > 0);
      expectThat("an open transport has more handles than none", (await openHandles()) > before);
      await stage.shut(a);
      await stage.shut(b);
      await stage.pass(3);
      const left = (await openHandles()) - before; // others, of a test runner say, may have ended meanwhile
      expectThat(`no handle is left, and not ${left}`, left <= 0);
    },
  },
];

const onlyPolled = ({ isPolled }: TransportTraits): string | undefined =>
  isPolled ? undefined : "it has no descriptors to wait for (it is no PolledTransport)";

const polled: readonly TransportCase[] = [
  {
    name: "is open when open returns, and closed when close does, without a promise",
    rule: "PolledTransport",
    appliesTo: "polled transports",
    inapplicable: onlyPolled,
    run(stage) {
      const transport = stage.harness.transport();
      const endpoint = new Endpoint(transport);
      const opened: unknown = transport.open(endpoint, endpoint.addresses);
      const isListening = transport.localAddresses.length > 0;
      const closed: unknown = transport.close();
      expectEqual("what open and close return", [opened, closed], [undefined, undefined]);
      expectThat("it listens when open returns", isListening);
    },
  },
  {
    name: "names a descriptor for each socket while it is open, and none when it is closed",
    rule: "PolledTransport: sockets",
    appliesTo: "polled transports",
    inapplicable: onlyPolled,
    async run(stage) {
      const a = await stage.endpoint();
      const descriptors = socketsOf(a).map(({ fd }) => fd);
      expectThat("it has a socket", descriptors.length > 0);
      expectThat(
        "each is a whole number from 0",
        descriptors.every((fd) => Number.isInteger(fd) && fd >= 0),
      );
      expectEqual("how many differ", new Set(descriptors).size, descriptors.length);
      await stage.shut(a);
      expectEqual("sockets when it is closed", socketsOf(a).length, 0);
    },
  },
  {
    name: "reads no more than it is asked to, and says how much",
    rule: "PolledTransport: receive",
    appliesTo: "polled transports",
    inapplicable: onlyPolled,
    async run(stage) {
      const [a, b] = await stage.two();
      b.say(a.url, patterned(0, 10));
      await stage.until("they know each other", () => a.messages.length === 1);
      for (let number = 1; number <= 10; number++) b.send(a.url, patterned(number, 10));
      b.transport.flush();
      const counts = await readByThrees(a, 11);
      expectThat(
        "at most 3 at a time",
        counts.every(({ said, messages }) => said <= 3 && messages <= 3),
      );
      expectThat(
        "as many as it says",
        counts.every(({ said, messages }) => said === messages),
      );
    },
  },
  {
    name: "asks to wait for room to write only when something waits for it",
    rule: "PolledTransport: wantsWrite",
    appliesTo: "polled transports",
    inapplicable: onlyPolled,
    async run(stage) {
      const [a, b] = await stage.two();
      a.say(b.url, patterned(1, 10));
      await stage.until("the message arrives", () => b.messages.length > 0);
      await stage.pass(3);
      expectThat(
        "an idle socket wants nothing",
        socketsOf(a).every(({ wantsWrite }) => !wantsWrite),
      );
    },
  },
];

function socketsOf({ transport }: Endpoint) {
  return isPolled(transport) ? transport.sockets : [];
}

/** Reads what has arrived, three messages at a time, until there are so many; what each call said and brought. */
async function readByThrees(a: Endpoint, messages: number) {
  const counts: { readonly said: number; readonly messages: number }[] = [];
  for (let round = 0; a.messages.length < messages; round++) {
    for (const socket of socketsOf(a)) {
      const before = a.messages.length;
      const said = socket.receive(3);
      counts.push({ said, messages: a.messages.length - before });
    }
    if (round > 1_000) throw new ExpectationError(`expected: ${messages} messages, not ${a.messages.length}`);
    await shortPause();
  }
  return counts;
}

function bitsOf(kinds: readonly AddressKind[]): number {
  return kinds.reduce((bits, kind) => bits | (1 << addressKinds.indexOf(kind)), 0);
}

export const lifeCases: readonly TransportCase[] = [...beginning, ...end, ...polled];
