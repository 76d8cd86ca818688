import { AddressTable, type ApplicationMessage, immutableRecord, nativeProtocol } from "@kad/core";
import { describe, expect, it } from "vitest";
import { Pair, type PairSide, sha256, tinyId } from "../src/index.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe("a pair", () => {
  it("of nodes meets, stores and talks on a clock that nobody waits for", () => {
    const pair = new Pair();
    const { a, b } = pair;
    expect(pair.join().end).toBe("converged");
    const record = immutableRecord(sha256, text("kept"));
    expect(pair.finish(a, a.machine.put(pair.nowMs, record)).result).toMatchObject({ accepted: 1 });
    b.machine.setProtocols(["talk"]);
    const sent = a.machine.send(pair.nowMs, { addresses: [b.address] }, "talk", text("hello"));
    pair.run(100);
    const message = b.events.find((event) => event.type === "messageReceived") as ApplicationMessage;
    b.machine.reply(pair.nowMs, message.reply, text("and hello to you"));
    expect(pair.finish(a, sent).result).toMatchObject({ type: "reply", body: text("and hello to you") });
  });

  it("of the same seed says the same, byte for byte, and of another seed something else", () => {
    const said = (seed: number): string[] => {
      const pair = new Pair({ seed, link: ({ number }) => (number % 3 === 0 ? [] : [20, 30]) });
      pair.join();
      pair.run(60_000);
      return [pair.a, pair.b].flatMap(({ sent }) => sent.map(({ atMs, bytes }) => `${atMs} ${bytes.join()}`));
    };
    expect(said(7)).toEqual(said(7));
    expect(said(7)).not.toEqual(said(8));
  });

  it("takes ids of one byte, whose distances a reader sees", () => {
    const addresses = new AddressTable();
    const protocol = nativeProtocol({ addresses, idBytes: 1 });
    const pair = new Pair({
      addresses,
      a: { id: tinyId(0b0000_0011), protocol },
      b: { id: tinyId(0b1000_0000), protocol },
    });
    pair.join();
    expect(pair.a.machine.table.contacts().map(({ id }) => id.toHex())).toEqual(["80"]);
    const found = pair.finish(pair.a, pair.a.machine.findNode(pair.nowMs, tinyId(0b1000_0001)));
    expect(found.result.type === "nodes" && found.result.contacts[0]?.id.toHex()).toBe("80");
  });

  it("has a link that loses, doubles and reorders as its script says", () => {
    const pair = new Pair({ link: ({ number }) => [[], [30], [5, 6]][number % 3] ?? [] });
    const arrived: string[] = [];
    const { a, b } = pair;
    const hear = b.machine.handleNetworkEvent.bind(b.machine);
    b.machine.handleNetworkEvent = (nowMs, event) => {
      if (event.type === "message") arrived.push(`${nowMs}: ${event.bytes.length}`);
      hear(nowMs, event);
    };
    for (const length of [10, 11, 12])
      pair.link.send(pair.nowMs, a.address, b.address, new Uint8Array(length));
    pair.run(50);
    expect(arrived).toEqual(["1005: 12", "1006: 12", "1030: 11"]);
  });

  it("goes on without one that is down, and with it again", () => {
    const pair = new Pair();
    const { a, b } = pair;
    const ping = (to: PairSide): string =>
      pair.finish(a, a.machine.ping(pair.nowMs, { addresses: [to.address] })).end;
    b.isUp = false;
    expect(ping(b)).toBe("exhausted");
    b.isUp = true;
    expect(ping(b)).toBe("converged");
  });

  it("says which query has not ended in time", () => {
    const pair = new Pair({ link: () => [] });
    const query = pair.a.machine.ping(pair.nowMs, { addresses: [pair.b.address] });
    expect(() => pair.finish(pair.a, query, 1_000)).toThrow(`query ${query} has not ended within 1000 ms`);
  });
});
