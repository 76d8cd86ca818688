import { describe, expect, it } from "vitest";
import type { Address } from "../src/address.ts";
import { type AddressKind, AddressTable } from "../src/address-table.ts";
import { Driver } from "../src/driver.ts";
import { UsageError } from "../src/errors.ts";
import type { NetworkEvent, Transmit } from "../src/machine.ts";
import type { SendOutcome, Transport, TransportSink } from "../src/transport.ts";
import { type Inlet, TransportRouter } from "../src/transport-router.ts";
import { ScriptedMachine } from "./scripted-machine.ts";

/** A transport whose every answer the test decides. */
class HandTransport implements Transport {
  readonly kinds: readonly AddressKind[];
  readonly maxBytes: number;
  localAddresses: readonly Address[] = [];
  sink: TransportSink | undefined;
  addresses: AddressTable | undefined;
  outcome: SendOutcome = "sent";
  readonly log: string[] = [];
  onOpen: () => void | Promise<void> = () => {};
  onClose: () => void | Promise<void> = () => {};

  constructor(kinds: readonly AddressKind[], maxBytes = 1_200) {
    this.kinds = kinds;
    this.maxBytes = maxBytes;
  }
  open(sink: TransportSink, addresses: AddressTable): void | Promise<void> {
    this.log.push("open");
    this.sink = sink;
    this.addresses = addresses;
    return this.onOpen();
  }
  send(transmit: Transmit, bytes: Uint8Array): SendOutcome {
    this.log.push(`send ${transmit.path.remote.key} ${bytes.length}`);
    return this.outcome;
  }
  flush(): void {
    this.log.push("flush");
  }
  close(): void | Promise<void> {
    this.log.push("close");
    return this.onClose();
  }
}

class ReferencedTransport extends HandTransport {
  ref(): void {
    this.log.push("ref");
  }
  unref(): void {
    this.log.push("unref");
  }
}

function inletOf() {
  const events: NetworkEvent[] = [];
  const reports: unknown[] = [];
  const inlet = {
    wakes: 0,
    events,
    reports,
    deliver: (event: NetworkEvent) => void events.push(event),
    wake: () => void inlet.wakes++,
    report: (error: unknown) => void reports.push(error),
  };
  return inlet satisfies Inlet;
}

function setUp(...transports: HandTransport[]) {
  const addresses = new AddressTable();
  const router = new TransportRouter({ transports, addresses });
  return { addresses, router, inlet: inletOf() };
}

function to(address: Address, tag = 1): Transmit {
  return { path: { remote: address, dialable: true }, peer: undefined, length: 3, tag };
}

const bytes = new Uint8Array(3);

describe("links", () => {
  it("are numbered from 1, one for each kind, and the address table knows them", () => {
    const { addresses, router, inlet } = setUp(
      new HandTransport(["tcp4", "tcp6"], 2 ** 20),
      new HandTransport(["udp4"]),
    );
    void router.open(inlet);
    const links = ["udp://192.0.2.1:1", "tcp://192.0.2.1:1", "tcp://[2001:db8::1]:1"].map((text) =>
      addresses.parse(text),
    );
    expect(links.map(({ link, maxBytes }) => [link, maxBytes])).toEqual([
      [3, 1_200],
      [1, 2 ** 20],
      [2, 2 ** 20],
    ]);
    expect(addresses.dialable).toBe(0b1101);
    expect(router.maxBytes).toBe(2 ** 20);
    void router.close();
    expect(addresses.dialable).toBe(0);
  });

  it.each([
    ["no transport at all", []],
    ["two transports for one kind", [new HandTransport(["udp4"]), new HandTransport(["tcp4", "udp4"])]],
  ])("%s is refused", (_title, transports) => {
    expect(() => setUp(...transports)).toThrow(UsageError);
  });
});

describe("sending", () => {
  it("goes to the transport that carries the kind of address", () => {
    const udp = new HandTransport(["udp4", "udp6"]);
    const web = new HandTransport(["ws", "wss"]);
    const { addresses, router, inlet } = setUp(udp, web);
    void router.open(inlet);
    for (const text of [
      "udp://192.0.2.1:1",
      "udp://[2001:db8::1]:2",
      "ws://a.example/x",
      "wss://a.example/",
    ]) {
      expect(router.send(to(addresses.parse(text)), bytes)).toBe("sent");
    }
    router.flush();
    expect(udp.log).toEqual(["open", "send udp://192.0.2.1:1 3", "send udp://[2001:db8::1]:2 3", "flush"]);
    expect(web.log).toEqual(["open", "send ws://a.example/x 3", "send wss://a.example 3", "flush"]);
  });

  it("is unreachable where no transport carries the kind, before open and after close", () => {
    const udp = new HandTransport(["udp4"]);
    const { addresses, router, inlet } = setUp(udp);
    const udp4 = to(addresses.parse("udp://192.0.2.1:1"));
    expect(router.send(udp4, bytes)).toBe("unreachable");
    router.flush();
    void router.open(inlet);
    expect(router.send(to(addresses.parse("tcp://192.0.2.1:1")), bytes)).toBe("unreachable");
    void router.close();
    expect(router.send(udp4, bytes)).toBe("unreachable");
    router.flush();
    expect(udp.log).toEqual(["open", "close"]);
  });

  it("that finds a link full closes it once, and the transport opens it again", () => {
    const udp = new HandTransport(["udp4", "udp6"]);
    const { addresses, router, inlet } = setUp(udp);
    void router.open(inlet);
    inlet.events.length = 0;
    udp.outcome = "full";
    const transmit = to(addresses.parse("udp://[2001:db8::1]:2"));
    expect([router.send(transmit, bytes), router.send(transmit, bytes)]).toEqual(["full", "full"]);
    expect(inlet.events).toEqual([{ type: "flow", link: 2, open: false }]);
    expect(router.stats()[1]).toEqual({
      kind: "udp6",
      link: 2,
      open: false,
      outcomes: { sent: 0, queued: 0, full: 2, unreachable: 0 },
    });
    const { wakes } = inlet;
    udp.sink?.flow("udp6", true);
    udp.sink?.flow("udp6", true);
    expect(inlet.events.slice(1)).toEqual([{ type: "flow", link: 2, open: true }]);
    expect(inlet.wakes).toBe(wakes + 1);
  });

  it("counts transmits by outcome for each kind", () => {
    const udp = new HandTransport(["udp4"]);
    const { addresses, router, inlet } = setUp(udp);
    void router.open(inlet);
    for (const outcome of ["sent", "sent", "queued", "unreachable"] as const) {
      udp.outcome = outcome;
      router.send(to(addresses.parse("udp://192.0.2.1:1")), bytes);
    }
    expect(router.stats()).toEqual([
      { kind: "udp4", link: 1, open: true, outcomes: { sent: 2, queued: 1, full: 0, unreachable: 1 } },
    ]);
  });

  it("under a driver, full closes the link before the request fails with queueFull", () => {
    const udp = new HandTransport(["udp4"]);
    const { addresses, router } = setUp(udp);
    const machine = new ScriptedMachine();
    const host = { nowMs: () => 0, arm: () => {}, schedule: () => {}, report: () => {} };
    const driver = new Driver(machine, host, router);
    void router.open({ deliver: (event) => driver.deliver(event), wake: () => {}, report: () => {} });
    udp.outcome = "full";
    const remote = addresses.parse("udp://192.0.2.1:1");
    machine.outgoing.push({ tag: 5, path: { remote, dialable: true } });
    driver.pump();
    expect(machine.received.slice(1)).toEqual([
      { type: "flow", link: 1, open: false },
      { type: "sendFailed", to: remote, tag: 5, reason: "queueFull" },
    ]);
  });
});

describe("what transports report", () => {
  it("becomes events, each followed by a wake", () => {
    const udp = new HandTransport(["udp4"]);
    const { addresses, router, inlet } = setUp(udp);
    void router.open(inlet);
    const { sink } = udp;
    const remote = addresses.parse("udp://192.0.2.1:1");
    const from = { remote, dialable: true };
    inlet.events.length = 0;
    inlet.wakes = 0;
    sink?.message(from, bytes);
    sink?.deferred(4);
    sink?.sent(4);
    sink?.sendFailed(remote, 5, "unreachable");
    sink?.sendFailed(remote, undefined, "closed");
    expect(inlet.events).toEqual([
      { type: "message", from, bytes },
      { type: "deferred", tag: 4 },
      { type: "sent", tag: 4 },
      { type: "sendFailed", to: remote, tag: 5, reason: "unreachable" },
      { type: "sendFailed", to: remote, reason: "closed" },
    ]);
    expect(Object.keys(inlet.events[4] ?? {})).not.toContain("tag");
    expect(inlet.wakes).toBe(5);
    const fault = new Error("socket");
    sink?.report(fault);
    expect(inlet.reports).toEqual([fault]);
  });

  it("about another transport's link is ignored", () => {
    const udp = new HandTransport(["udp4"]);
    const { router, inlet } = setUp(udp, new HandTransport(["tcp4"]));
    void router.open(inlet);
    inlet.events.length = 0;
    udp.sink?.flow("tcp4", false);
    udp.sink?.flow("wss", false);
    expect(inlet.events).toEqual([]);
  });

  it("after close is dropped", () => {
    const udp = new HandTransport(["udp4"]);
    const { router, inlet } = setUp(udp);
    void router.open(inlet);
    const heard = inlet.events.length;
    void router.close();
    udp.sink?.sent(1);
    udp.sink?.flow("udp4", false);
    udp.sink?.addressesChanged();
    udp.sink?.report(new Error("late"));
    expect([inlet.events.length, inlet.reports.length]).toEqual([heard, 0]);
  });
});

describe("local addresses", () => {
  it("of all transports are told once they are open, and again when one changes", () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    const { addresses, router, inlet } = setUp(udp, tcp);
    const [a, b, c] = ["udp://192.0.2.1:1", "tcp://192.0.2.1:1", "tcp://192.0.2.1:2"].map((text) =>
      addresses.parse(text),
    );
    udp.localAddresses = [a as Address, a as Address];
    tcp.localAddresses = [b as Address];
    udp.onOpen = () => udp.sink?.addressesChanged();
    void router.open(inlet);
    expect(inlet.events).toEqual([{ type: "addressesChanged", addresses: [a, b] }]);
    tcp.localAddresses = [c as Address, b as Address];
    tcp.sink?.addressesChanged();
    expect(inlet.events[1]).toEqual({ type: "addressesChanged", addresses: [a, c, b] });
  });

  it("come in turns: a contact holds four, and each transport should be among them", () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    const ws = new HandTransport(["ws"]);
    const { addresses, router, inlet } = setUp(udp, tcp, ws);
    const on = (scheme: string, count: number): Address[] =>
      Array.from({ length: count }, (_, i) => addresses.parse(`${scheme}://192.0.2.${i + 1}:4100`));
    udp.localAddresses = on("udp", 3);
    tcp.localAddresses = on("tcp", 2);
    ws.localAddresses = on("ws", 1);
    void router.open(inlet);
    expect(router.localAddresses.map(({ key }) => key)).toEqual([
      "udp://192.0.2.1:4100",
      "tcp://192.0.2.1:4100",
      "ws://192.0.2.1:4100",
      "udp://192.0.2.2:4100",
      "tcp://192.0.2.2:4100",
      "udp://192.0.2.3:4100",
    ]);
  });

  it("are at most 16", () => {
    const udp = new HandTransport(["udp4"]);
    const { addresses, router, inlet } = setUp(udp);
    udp.localAddresses = Array.from({ length: 20 }, (_, i) => addresses.parse(`udp://192.0.2.1:${i + 1}`));
    void router.open(inlet);
    expect(router.localAddresses).toEqual(udp.localAddresses.slice(0, 16));
  });
});

describe("opening and closing", () => {
  it("needs no promise where no transport returns one", () => {
    const { router, inlet } = setUp(new HandTransport(["udp4"]), new HandTransport(["tcp4"]));
    expect(router.open(inlet)).toBe(undefined);
    expect(router.close()).toBe(undefined);
    expect(router.close()).toBe(undefined);
  });

  it("is refused a second time", () => {
    const { router, inlet } = setUp(new HandTransport(["udp4"]));
    void router.open(inlet);
    expect(() => router.open(inlet)).toThrow(expect.objectContaining({ code: "invalidArgument" }));
  });

  it("waits for each transport in turn", async () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    let opened = (): void => {};
    udp.onOpen = () =>
      new Promise((resolve) => {
        opened = resolve;
      });
    tcp.onClose = () => Promise.resolve();
    const { addresses, router, inlet } = setUp(udp, tcp);
    const opening = router.open(inlet);
    expect(tcp.log).toEqual([]);
    expect(router.send(to(addresses.parse("udp://192.0.2.1:1")), bytes)).toBe("unreachable");
    opened();
    await opening;
    expect(inlet.events.length).toBe(1);
    await router.close();
    expect([udp.log, tcp.log]).toEqual([
      ["open", "close"],
      ["open", "close"],
    ]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("in use");
      },
    ],
    ["rejects", () => Promise.reject(new Error("in use"))],
  ])("closes what was opened when a later transport %s", async (_title, fail) => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    tcp.onOpen = fail;
    const { addresses, router, inlet } = setUp(udp, tcp);
    await expect((async () => router.open(inlet))()).rejects.toThrow("in use");
    expect([udp.log, tcp.log]).toEqual([["open", "close"], ["open"]]);
    expect(addresses.dialable).toBe(0);
  });

  it("throws the error of opening, whatever closing brings", async () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    udp.onClose = () => Promise.reject(new Error("close"));
    tcp.onOpen = () => {
      throw new Error("in use");
    };
    await expect(setUp(udp, tcp).router.open(inletOf())).rejects.toThrow("in use");
  });

  it("closed while a transport was opening closes that one as well, and opens no other", async () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    let opened = (): void => {};
    udp.onOpen = () =>
      new Promise((resolve) => {
        opened = resolve;
      });
    const { router, inlet } = setUp(udp, tcp);
    const opening = router.open(inlet);
    void router.close();
    opened();
    await opening;
    expect([udp.log, tcp.log, inlet.events]).toEqual([["open", "close"], [], []]);
  });

  it("closes every transport, then throws the first error", async () => {
    const udp = new HandTransport(["udp4"]);
    const tcp = new HandTransport(["tcp4"]);
    udp.onClose = () => {
      throw new Error("first");
    };
    const { router, inlet } = setUp(udp, tcp);
    void router.open(inlet);
    expect(() => router.close()).toThrow("first");
    expect(tcp.log).toEqual(["open", "close"]);

    const web = new HandTransport(["ws"]);
    web.onClose = () => Promise.reject(new Error("second"));
    const other = setUp(web);
    void other.router.open(other.inlet);
    await expect(other.router.close()).rejects.toThrow("second");
  });

  it("passes on whether open sockets keep the process alive", () => {
    const udp = new ReferencedTransport(["udp4"]);
    const { router } = setUp(udp, new HandTransport(["tcp4"]));
    router.unref();
    router.ref();
    expect(udp.log).toEqual(["unref", "ref"]);
  });
});
