import { describe, expect, it } from "vitest";
import { limitSpecs, type NodeEvent, type NodeLimits, type NodeStats, refusalReasons } from "../src/index.ts";
import { Network } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";

describe("events that nobody polls", () => {
  const limits = { maxQueuedEvents: 16, maxQueuedMessages: 4 };

  /** Everything that makes events happens, a hundred times. */
  function flood(stage: Stage): { queries: number[]; timers: number[] } {
    const queries: number[] = [];
    const timers: number[] = [];
    stage.node.setProtocols(["talk"]);
    const into = new Uint8Array(1_200);
    for (let i = 1; i <= 100; i++) {
      const peer = stage.stranger(i);
      queries.push(stage.node.ping(stage.nowMs, { addresses: [peer.path.remote] }));
      timers.push(stage.node.setTimer(stage.nowMs, i, 1));
      stage.hear(peer.path, Uint8Array.of(4, 1, 2));
      stage.ask(peer, { type: "application", protocol: "talk", body: new Uint8Array(1) }, { client: true });
      while (stage.node.pollTransmit(stage.nowMs, into) !== undefined);
    }
    stage.nowMs += 70_000;
    stage.node.handleTimeout(stage.nowMs);
    while (stage.node.pollTransmit(stage.nowMs, into) !== undefined);
    stage.node.handleTimeout(stage.nowMs);
    return { queries, timers };
  }

  it("never lose the end of a query nor a timer", () => {
    const stage = new Stage({ limits });
    const { queries, timers } = flood(stage);
    stage.poll();
    expect(
      stage
        .of("queryFinished")
        .map(({ query }) => query)
        .sort((a, b) => a - b),
    ).toEqual(queries);
    expect(stage.of("timer").map(({ timer }) => timer)).toEqual(timers);
  });

  it("are bounded for the rest, and what is dropped is counted", () => {
    const stage = new Stage({ limits });
    flood(stage);
    const { gauges, eventsDropped, misbehaviour } = stage.node.stats();
    expect(gauges.queuedEvents).toEqual({ used: 16, limit: 16 });
    expect(gauges.queuedMessages).toEqual({ used: 4, limit: 4 });
    expect(misbehaviour.malformed).toBe(100);
    expect(eventsDropped.other).toBeGreaterThan(80);
    expect(stage.node.stats().refused.busy).toBe(96);
    stage.poll();
    const rest = stage.events.filter(({ type }) => type !== "queryFinished" && type !== "timer");
    expect(rest).toHaveLength(20);
    expect(stage.of("messageReceived")).toHaveLength(4);
    expect(stage.node.stats().gauges.queuedEvents.used).toBe(0);
  });
});

describe("progress", () => {
  it("is told of a query that wants it: the newest state, in steps, before its end, and never after it", () => {
    const network = new Network({ delayMs: 20 });
    const hosts = Array.from({ length: 30 }, () => network.add());
    const [seed, asker] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
    for (const { node } of hosts.slice(1)) node.bootstrap(network.nowMs, [{ addresses: [seed.address] }]);
    network.run(3_000);
    asker.events.length = 0;
    // One that does not answer keeps the walk from ending with the last round.
    for (const host of hosts.slice(2, 6)) host.isUp = false;
    const query = asker.node.findNode(network.nowMs, numbered(7), { progress: true, results: 20 });
    const silent = asker.node.findNode(network.nowMs, numbered(8));
    network.finish(asker, query);
    network.finish(asker, silent);
    const told = asker.events.filter((event) => "query" in event && event.query === query);
    const steps = told.flatMap((event) => (event.type === "queryProgressed" ? [event.step] : []));
    expect(steps.length).toBeGreaterThan(1);
    expect(steps).toEqual(steps.map((_, i) => i + 1));
    expect(told.at(-1)?.type).toBe("queryFinished");
    const sizes = told.map((event: NodeEvent) =>
      "result" in event && event.result.type === "nodes" ? event.result.contacts.length : -1,
    );
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(
      asker.events.filter((event) => event.type === "queryProgressed" && event.query === silent),
    ).toEqual([]);
  });

  it("that nobody polls is one event, however often the query progresses, and none once it has ended", () => {
    const stage = new Stage();
    stage.populate(6);
    const query = stage.node.findNode(stage.nowMs, numbered(50), { progress: true, results: 6 });
    const into = new Uint8Array(1_200);
    for (let round = 0; round < 4; round++) {
      for (;;) {
        const transmit = stage.node.pollTransmit(stage.nowMs, into);
        if (transmit === undefined) break;
        const message = stage.protocol.decode(Uint8Array.from(into.subarray(0, transmit.length)));
        const peer = [...stage.live.values()].find(({ id }) => transmit.peer?.equals(id));
        if (message.kind !== "request" || peer === undefined) continue;
        const bytes = Uint8Array.from(into.subarray(0, transmit.length));
        stage.reply(peer, { transmit, bytes, message }, { type: "nodes", contacts: [], token: undefined });
      }
    }
    expect(stage.node.stats().eventsDropped.queryProgressed).toBeGreaterThan(0);
    stage.poll();
    expect(stage.of("queryProgressed")).toEqual([]);
    expect(stage.of("queryFinished").map((event) => event.query)).toEqual([query]);
  });
});

describe("the figures of a node", () => {
  /** Bounds that are shares of other bounds, or that hold for one thing at a time: what stands for them instead. */
  const withoutGauge: Readonly<Partial<Record<keyof NodeLimits, string>>> = {
    maxIncomingPerBucket: "contactsRefused.incomingInBucket: part of contacts",
    maxPerSubnetInBucket: "contactsRefused.subnetInBucket: part of contacts",
    maxPerSubnetInTable: "contactsRefused.subnetInTable: part of contacts",
    maxPerSubnetInLookup: "part of one walk, which ends",
    maxFailures: "a count of one contact, told by table.get(id).failures",
    maxExplainedSteps: "part of one query that was to be explained; queries is the gauge of those",
    maxCandidates: "part of one walk, which ends; queries is the gauge of those",
    maxInFlightPerWindow: "part of requestsInFlight",
    maxSendBytesPerPeer: "part of sendBytes",
    maxRecordsPerSource: "part of records",
    maxProvidersPerKey: "part of providers",
    maxProvidersPerSource: "part of providers",
    maxProvidersPerSourceAndKey: "part of providers",
    softTimeoutMaxMs: "a time",
  };
  const gaugeOf: Readonly<Partial<Record<keyof NodeLimits, keyof NodeStats["gauges"]>>> = {
    maxPeerHistories: "peerHistories",
    maxInFlight: "requestsInFlight",
    maxPendingRequests: "pendingRequests",
    maxQueries: "queries",
    maxQueuedReplies: "queuedReplies",
    maxQueuedEvents: "queuedEvents",
    maxQueuedMessages: "queuedMessages",
    maxReplyTokens: "replyTokens",
    maxSendBytes: "sendBytes",
    maxTimersPerPlugin: "pluginTimers",
    maxRecords: "records",
    maxRecordBytes: "recordBytes",
    maxRepublishAtOnce: "republishing",
    maxSources: "sources",
    maxProviders: "providers",
    maxProviderBytes: "providerBytes",
    maxProviderKeys: "providerKeys",
    maxOwnProviders: "ownProviders",
    maxLostContacts: "lostContacts",
  };
  const caps = (Object.keys(limitSpecs) as (keyof NodeLimits)[]).filter((name) =>
    /[mM]ax[A-Z]|[mM]axMs$/.test(name),
  );

  it.each(caps)("have a gauge beside the bound %s, or one that it is a part of", (name) => {
    const stage = new Stage();
    const gauge = gaugeOf[name];
    if (gauge === undefined) {
      expect(withoutGauge[name], `${name} has neither a gauge nor a reason`).toBeDefined();
      return;
    }
    expect(stage.node.stats().gauges[gauge].limit).toBe(limitSpecs[name].value);
  });

  it("have a gauge for the table: bits of an id times what a bucket holds", () => {
    const stage = new Stage();
    stage.populate(3);
    expect(stage.node.stats().gauges.contacts).toEqual({ used: 3, limit: 256 * 20 });
  });

  it("are a snapshot: what the caller does to it changes nothing, nor does it change by itself", () => {
    const stage = new Stage();
    const first = stage.node.stats();
    (first.dropped as { ownId: number }).ownId = 99;
    (first.gauges.queries as { used: number }).used = 99;
    expect(stage.node.stats().dropped.ownId).toBe(0);
    expect(stage.node.stats().gauges.queries.used).toBe(0);
    const second = stage.node.stats();
    stage.hear(stage.stranger(1).path, new Uint8Array(0));
    expect(second.messagesReceived).toBe(0);
    expect(stage.node.stats().messagesReceived).toBe(1);
  });

  it("count by every reason there is, from zero on", () => {
    const { dropped, refused, contactsRefused, misbehaviour, eventsDropped } = new Stage().node.stats();
    for (const counters of [dropped, refused, contactsRefused, misbehaviour, eventsDropped])
      expect(Object.values(counters).every((count) => count === 0)).toBe(true);
    expect(Object.keys(refused)).toEqual([...refusalReasons]);
    expect(Object.keys(dropped).length).toBeGreaterThanOrEqual(15);
  });

  it("count what was sent and received, in messages and bytes", () => {
    const stage = new Stage();
    const { length } = stage.ask(stage.stranger(1), { type: "ping" }, { client: true });
    const [pong] = stage.poll();
    expect(stage.node.stats()).toMatchObject({
      messagesReceived: 1,
      bytesReceived: length,
      requestsReceived: 1,
      messagesSent: 1,
      bytesSent: pong?.bytes.length,
      requestsSent: 0,
      responsesReceived: 0,
    });
    stage.befriend(stage.stranger(2));
    expect(stage.node.stats()).toMatchObject({ requestsSent: 1, responsesReceived: 1, retransmissions: 0 });
    stage.node.ping(stage.nowMs, { addresses: [stage.stranger(3).path.remote] });
    stage.pass(20_000);
    expect(stage.node.stats()).toMatchObject({ requestTimeouts: expect.any(Number), health: "online" });
    expect(stage.node.stats().retransmissions).toBeGreaterThan(0);
    expect(stage.node.stats().requestTimeouts).toBeGreaterThan(0);
  });
});
