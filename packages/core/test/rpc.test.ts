import { describe, expect, it } from "vitest";
import type { SendFailure } from "../src/machine.ts";
import { resolveLimits } from "../src/options.ts";
import { PeerHistory } from "../src/peer-history.ts";
import type { Request, RequestType, Response, ResponseType } from "../src/protocol.ts";
import { addressOn, RpcBench, type Sent } from "./rpc-bench.ts";
import { tinyAddress, tinyId } from "./tiny-id.ts";

const application = (bytes = 0): Request => ({
  type: "application",
  protocol: "p",
  body: new Uint8Array(bytes),
});

function seedOf(...addresses: readonly string[]): {
  readonly id: ReturnType<typeof tinyId>;
  readonly addresses: ReturnType<typeof tinyAddress>[];
} {
  return { id: tinyId(1), addresses: addresses.map((key) => tinyAddress(key)) };
}

/** When each message left, and where to. */
function timesOf(bench: RpcBench): [number, string][] {
  return bench.sent.map(({ atMs, to }) => [atMs, to]);
}

describe("a request that is answered", () => {
  it("ends, frees its slot and leaves nothing behind", () => {
    const bench = new RpcBench();
    bench.ask("a");
    expect([bench.rpc.inFlight, bench.rpc.pending]).toEqual([1, 1]);
    expect(bench.answer(bench.last())).toMatchObject({ type: "answered", address: { key: "a" } });
    expect(bench.takeTold()).toEqual(["answered a"]);
    expect(bench.isIdle()).toBe(true);
    expect(bench.rpc.requestsSent).toBe(1);
    expect(bench.rpc.retransmissions).toBe(0);
  });

  it("tells the exact round trip", () => {
    const bench = new RpcBench();
    bench.nowMs = 5;
    bench.ask("a");
    bench.nowMs = 47;
    bench.answer(bench.last());
    expect(bench.history.smoothedRttMs("a")).toBe(42);
  });

  it("is not answered a second time", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.answer(bench.last());
    expect(bench.answer(bench.last())).toEqual({ type: "dropped", reason: "unknownResponse" });
  });
});

describe("ids of requests", () => {
  it("are unique, their low halves too, and are the tags of what is sent", () => {
    const bench = new RpcBench({ limits: { maxInFlight: 1_000, maxInFlightPerWindow: 1_000 } });
    for (let i = 0; i < 500; i++) bench.ask(`peer-${i}`);
    const tags = bench.sent.map(({ tag }) => tag);
    expect(new Set(tags).size).toBe(500);
    expect(bench.sent.map(({ message }) => message.requestId.low)).toEqual(tags);
  });

  it.each([
    ["nothing but zeros", 0],
    ["nothing but ones", 255],
    ["the same number again and again", 7],
  ])("are non-zero and unique even from a source of %s", (_name, byte) => {
    const random = { fill: (into: Uint8Array): void => void into.fill(byte) };
    const bench = new RpcBench({ random });
    for (let i = 0; i < 70; i++) bench.ask(`peer-${i}`);
    const tags = bench.sent.map(({ tag }) => tag);
    expect(new Set(tags).size).toBe(70);
    expect(tags).not.toContain(0);
  });

  it("are all 64 bits random, each byte used once", () => {
    const random = {
      fill: (into: Uint8Array): void => {
        for (let i = 0; i < into.length; i++) into[i] = i & 255;
      },
    };
    const bench = new RpcBench({ random });
    bench.ask("a");
    bench.ask("b");
    expect(bench.sent.map(({ message: { requestId } }) => requestId)).toMatchObject([
      { high: 0x00_01_02_03, low: 0x04_05_06_07 },
      { high: 0x08_09_0a_0b, low: 0x0c_0d_0e_0f },
    ]);
  });

  it("are not given where the source of random bytes has failed: the request fails", () => {
    const bench = new RpcBench({
      random: {
        fill: () => {
          throw new Error("no randomness");
        },
      },
    });
    bench.ask("a");
    expect(bench.sent).toEqual([]);
    expect(bench.takeTold()).toEqual(["unreachable a"]);
    expect(bench.isIdle()).toBe(true);
  });
});

describe("a request that is not answered", () => {
  it("is slow after its soft timeout, sent again with another id, overdue later, and failed at its hard timeout", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.pass(999);
    expect(bench.takeTold()).toEqual([]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["slow a"]);
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [1_000, "a"],
    ]);
    expect(new Set(bench.sent.map(({ tag }) => tag)).size).toBe(2);
    expect(bench.rpc.retransmissions).toBe(1);
    bench.pass(1_999);
    expect(bench.takeTold()).toEqual([]);
    expect(timesOf(bench).slice(2)).toEqual([[2_000, "a"]]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
    expect(bench.rpc.inFlight).toBe(0);
    bench.pass(6_999);
    expect(bench.takeTold()).toEqual([]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["timedOut a", "noAnswer a"]);
    expect(bench.isIdle()).toBe(true);
    expect(bench.rpc.requestsSent).toBe(1);
  });

  it("is sent at even pauses twice again, and then at ever longer ones", () => {
    const bench = new RpcBench({ limits: { retries: 4 } });
    bench.ask("a");
    bench.pass(8_999);
    expect(timesOf(bench).map(([atMs]) => atMs)).toEqual([0, 1_000, 2_000, 3_000, 5_000]);
    expect(bench.takeTold()).toEqual(["slow a"]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
  });

  it("is overdue at its first soft timeout where nothing is sent again", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.ask("a");
    bench.pass(1_000);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
    expect(bench.sent).toHaveLength(1);
  });

  it("counts once against the peer, also when its hard timeout comes before it is overdue", () => {
    const bench = new RpcBench({ limits: { hardTimeoutMs: 1_500, suspectAfterFailures: 1 } });
    bench.ask("a");
    bench.pass(1_500);
    expect(bench.takeTold()).toEqual(["slow a", "silent a", "overdue a", "timedOut a", "noAnswer a"]);
    expect(bench.history.isSuspect(bench.nowMs, "a")).toBe(true);
    const patient = new RpcBench({ limits: { suspectAfterFailures: 2 } });
    patient.ask("a");
    patient.pass(10_000);
    expect(patient.history.isSuspect(patient.nowMs, "a")).toBe(false);
  });

  it("waits for as long as the peer's own estimate says", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.history.onAnswered("a", 100);
    bench.ask("a");
    bench.pass(199);
    expect(bench.takeTold()).toEqual([]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
  });

  it("waits for a random while longer, so that losses are not retried in step", () => {
    const bench = new RpcBench({ limits: { softTimeoutJitterMs: 200, retries: 0 } });
    for (let i = 0; i < 50; i++) bench.ask(`peer-${i}`);
    const overdueAtMs: number[] = [];
    while (bench.rpc.inFlight > 0) {
      const before = bench.rpc.inFlight;
      bench.pass(1);
      for (let i = bench.rpc.inFlight; i < before; i++) overdueAtMs.push(bench.nowMs);
    }
    expect(Math.min(...overdueAtMs)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...overdueAtMs)).toBeLessThan(1_200);
    expect(new Set(overdueAtMs).size).toBeGreaterThan(20);
  });
});

describe("a late answer", () => {
  it.each([
    { whenMs: 1_500, was: "slow", to: 0, rttMs: 1_500 },
    { whenMs: 1_500, was: "slow", to: 1, rttMs: 500 },
    { whenMs: 5_000, was: "overdue", to: 0, rttMs: 5_000 },
    { whenMs: 5_000, was: "overdue", to: 1, rttMs: 4_000 },
  ])("to sending $to of a request that is $was ends it, with the round trip of that very sending", (row) => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.pass(row.whenMs);
    bench.takeTold();
    expect(bench.answer(bench.sent[row.to] as Sent).type).toBe("answered");
    expect(bench.takeTold()).toEqual(["answered a"]);
    expect(bench.history.smoothedRttMs("a")).toBe(row.rttMs);
    expect(bench.isIdle()).toBe(true);
    expect(bench.answer(bench.sent[1 - row.to] as Sent)).toEqual({
      type: "dropped",
      reason: "unknownResponse",
    });
  });

  it("is not known any more after the hard timeout", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.pass(10_000);
    expect(bench.answer(bench.sent[0] as Sent)).toEqual({ type: "dropped", reason: "unknownResponse" });
  });
});

describe("a response", () => {
  it("with half of a right id is unknown", () => {
    const bench = new RpcBench();
    bench.ask("a");
    const { message, ...sent } = bench.last();
    const requestId = { high: message.requestId.high ^ 1, low: message.requestId.low };
    expect(bench.answer({ ...sent, message: { ...message, requestId } })).toEqual({
      type: "dropped",
      reason: "unknownResponse",
    });
    expect(bench.rpc.inFlight).toBe(1);
  });

  it("from another address is not accepted", () => {
    const bench = new RpcBench();
    bench.ask("a");
    expect(bench.answer(bench.last(), { type: "pong" }, { remote: tinyAddress("b") })).toEqual({
      type: "dropped",
      reason: "wrongSource",
    });
    expect(bench.takeTold()).toEqual([]);
    expect(bench.answer(bench.last()).type).toBe("answered");
  });

  it("from the proven peer is accepted whatever its address, and from another proven peer is not", () => {
    const bench = new RpcBench();
    bench.ask("a");
    const remote = tinyAddress("b");
    expect(bench.answer(bench.last(), { type: "pong" }, { remote, peer: tinyId(2) }).type).toBe("dropped");
    expect(bench.answer(bench.last(), { type: "pong" }, { remote, peer: tinyId(1) }).type).toBe("answered");
  });

  const bodies: Readonly<Record<string, Response>> = {
    pong: { type: "pong" },
    nodes: { type: "nodes", contacts: [], token: undefined },
    value: {
      type: "value",
      record: { typeCode: 1, key: tinyId(1), lifetimeMs: 1, body: new Uint8Array(0) },
    },
    stored: { type: "stored" },
    application: { type: "application", body: new Uint8Array(0) },
    refused: { type: "refused", reason: "busy" },
  };
  const requests: Readonly<Record<string, Request>> = {
    ping: { type: "ping" },
    findNode: { type: "findNode", target: tinyId(1), wantToken: false },
    getValue: { type: "getValue", key: tinyId(1) },
    application: application(),
  };
  const accepted: Partial<Record<RequestType, readonly ResponseType[]>> = {
    ping: ["pong", "refused"],
    findNode: ["nodes", "refused"],
    getValue: ["nodes", "value", "refused"],
    application: ["application", "refused"],
  };
  it.each(
    Object.keys(requests).flatMap((request) =>
      Object.keys(bodies).map((response) => [request, response] as const),
    ),
  )("to %s of type %s is taken only where it fits", (request, response) => {
    const bench = new RpcBench();
    bench.ask("a", requests[request] as Request);
    const fits = accepted[request as RequestType]?.includes(response as ResponseType);
    const expected = fits ? { type: "answered" } : { type: "dropped", reason: "wrongType" };
    expect(bench.answer(bench.last(), bodies[response] as Response)).toMatchObject(expected);
    expect(bench.rpc.inFlight).toBe(fits ? 0 : 1);
  });
});

describe("a peer's next address", () => {
  it("is tried after a while beside the first, and again from the first after the soft timeout of the last", () => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b", "c"));
    bench.pass(2_000);
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [250, "b"],
      [500, "c"],
      [1_500, "a"],
    ]);
    expect(bench.takeTold()).toEqual(["slow a"]);
    expect(bench.rpc.inFlight).toBe(1);
    expect(bench.rpc.retransmissions).toBe(1);
  });

  it.each([0, 1])("may answer as well as the first: the first answer wins (address %i)", (which) => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b"));
    bench.pass(300);
    const sent = bench.sent[which] as Sent;
    expect(bench.answer(sent)).toMatchObject({ type: "answered", address: { key: sent.to } });
    expect(bench.answer(bench.sent[1 - which] as Sent).type).toBe("dropped");
    expect(bench.takeTold()).toEqual(["answered a"]);
    expect(bench.history.smoothedRttMs(sent.to)).toBe(which === 0 ? 300 : 50);
    expect(bench.isIdle()).toBe(true);
  });

  it.each<SendFailure>(["unreachable", "handshakeFailed", "wrongPeer", "closed", "tooLarge"])(
    "is tried at once when the first has failed: %s",
    (reason) => {
      const bench = new RpcBench();
      bench.ask(seedOf("a", "b"));
      bench.rpc.onSendFailed(0, tinyAddress("a"), bench.last().tag, reason);
      bench.poll();
      expect(timesOf(bench)).toEqual([
        [0, "a"],
        [0, "b"],
      ]);
      expect(bench.rpc.inFlight).toBe(1);
      expect(bench.rpc.pending).toBe(1);
      expect(bench.rpc.retransmissions).toBe(0);
    },
  );

  it("is not tried where we cannot dial it, or where it is our own", () => {
    const bench = new RpcBench({ dialable: 2, own: ["mine"] });
    const addresses = [tinyAddress("tcp", 4), tinyAddress("mine", 2), tinyAddress("yours", 2)];
    bench.ask({ addresses });
    bench.pass(5_000);
    expect(new Set(bench.sent.map(({ to }) => to))).toEqual(new Set(["yours"]));
  });

  it("does not exist where no address can be dialled: the request fails at once", () => {
    const bench = new RpcBench({ dialable: 2 });
    bench.ask("a");
    expect(bench.sent).toEqual([]);
    expect(bench.takeTold()).toEqual(["unreachable a"]);
    expect(bench.isIdle()).toBe(true);
  });
});

describe("a message that is too large", () => {
  it("fails its request where no address can take it", () => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b"), application(101));
    expect(bench.takeTold()).toEqual(["tooLarge a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it("goes to the peer's next address, which may take it", () => {
    const bench = new RpcBench({ roomOf: ({ key }) => (key === "stream" ? 1_000 : 100) });
    bench.ask(seedOf("datagram", "stream"), application(500));
    expect(timesOf(bench)).toEqual([[0, "stream"]]);
    expect(bench.rpc.pending).toBe(1);
    expect(bench.answer(bench.last(), { type: "application", body: new Uint8Array(0) }).type).toBe(
      "answered",
    );
    expect(bench.isIdle()).toBe(true);
  });

  it("does not fail a request that waits for an answer from another address", () => {
    const bench = new RpcBench({ roomOf: ({ key }) => (key === "stream" ? 1_000 : 100) });
    bench.ask(seedOf("stream", "datagram"), application(500));
    bench.pass(300);
    expect(bench.takeTold()).toEqual([]);
    bench.pass(1_000);
    expect(bench.takeTold()).toEqual(["slow stream"]);
    expect(timesOf(bench)).toEqual([
      [0, "stream"],
      [1_250, "stream"],
    ]);
  });
});

describe("a message that could not be sent", () => {
  const isCounted = (bench: RpcBench) => bench.history.isSuspect(bench.nowMs, "a");
  const strict = { limits: { suspectAfterFailures: 1 } };

  it.each([
    { reason: "unreachable", tells: ["unreachable a", "unreachable a"], counts: true },
    { reason: "handshakeFailed", tells: ["unreachable a", "unreachable a"], counts: true },
    { reason: "wrongPeer", tells: ["unreachable a", "wrongPeer a"], counts: true },
    { reason: "tooLarge", tells: ["tooLarge a"], counts: false },
  ] as const)("fails its request: $reason counts against the peer: $counts", ({ reason, tells, counts }) => {
    const bench = new RpcBench(strict);
    bench.ask("a");
    bench.rpc.onSendFailed(0, tinyAddress("a"), bench.last().tag, reason);
    expect(bench.takeTold()).toEqual(tells);
    expect(isCounted(bench)).toBe(counts);
    expect(bench.isIdle()).toBe(true);
  });

  it("without a tag fails all that are under way to that address, and no others", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.ask("b");
    bench.ask("a");
    bench.rpc.onSendFailed(0, tinyAddress("a"), undefined, "unreachable");
    expect(bench.takeTold().filter((told) => told.endsWith("b"))).toEqual([]);
    expect(bench.rpc.inFlight).toBe(1);
    expect(bench.rpc.pending).toBe(1);
  });

  it("with a tag that is unknown or has been answered changes nothing", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.ask("b");
    const [first] = bench.sent as [Sent];
    bench.answer(first);
    bench.takeTold();
    bench.rpc.onSendFailed(0, tinyAddress("a"), first.tag, "unreachable");
    bench.rpc.onSendFailed(0, tinyAddress("b"), 12_345, "unreachable");
    expect(bench.takeTold()).toEqual([]);
    expect(bench.rpc.inFlight).toBe(1);
  });

  it("does not end a request that another message of its may still answer", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.pass(1_000);
    bench.rpc.onSendFailed(bench.nowMs, tinyAddress("a"), bench.last().tag, "closed");
    expect(bench.takeTold()).toEqual(["slow a"]);
    expect(bench.answer(bench.sent[0] as Sent).type).toBe("answered");
  });
});

describe("a connection that is closed under a request", () => {
  const close = (bench: RpcBench, address = "a") => {
    bench.rpc.onSendFailed(bench.nowMs, tinyAddress(address), undefined, "closed");
    bench.poll();
  };

  it("does not count against the peer, which is asked once more", () => {
    const bench = new RpcBench({ limits: { suspectAfterFailures: 1 } });
    bench.ask("a");
    close(bench);
    expect([timesOf(bench).length, bench.takeTold()]).toEqual([2, []]);
    expect(bench.answer(bench.last()).type).toBe("answered");
    bench.takeTold();
    bench.ask("a");
    close(bench);
    close(bench);
    expect(bench.takeTold()).toEqual(["closed a"]);
    expect(bench.history.isSuspect(bench.nowMs, "a")).toBe(false);
    expect(bench.isIdle()).toBe(true);
  });

  it("leaves it the peer's other addresses first", () => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b"));
    close(bench);
    expect(timesOf(bench).map(([, address]) => address)).toEqual(["a", "b"]);
    close(bench, "b");
    expect(timesOf(bench).map(([, address]) => address)).toEqual(["a", "b", "a"]);
    close(bench);
    expect(bench.takeTold()).toEqual(["closed a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it("fails a message: it may have been delivered, and would be again", () => {
    const bench = new RpcBench();
    bench.ask("a", application());
    close(bench);
    expect([timesOf(bench).length, bench.takeTold()]).toEqual([1, ["closed a"]]);
    expect(bench.isIdle()).toBe(true);
  });

  it("fails a request that is not to be sent again, or that nobody waits for", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.ask("a");
    close(bench);
    expect([timesOf(bench).length, bench.takeTold()]).toEqual([1, ["closed a"]]);
    const other = new RpcBench();
    other.rpc.detach(other.ask("a"));
    close(other);
    expect(timesOf(other)).toHaveLength(1);
    expect(other.isIdle()).toBe(true);
  });
});

describe("a full queue below", () => {
  it("of one connection means again after a pause, and does not count against the peer", () => {
    const bench = new RpcBench({ limits: { suspectAfterFailures: 1, retries: 0 } });
    bench.ask("a");
    for (let i = 0; i < 3; i++) {
      bench.rpc.onSendFailed(bench.nowMs, tinyAddress("a"), bench.last().tag, "queueFull");
      bench.poll();
      expect(bench.sent).toHaveLength(i + 1);
      bench.pass(250);
      expect(bench.sent).toHaveLength(i + 2);
    }
    expect(timesOf(bench).map(([atMs]) => atMs)).toEqual([0, 250, 500, 750]);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.rpc.retransmissions).toBe(0);
    expect(bench.rpc.pending).toBe(1);
    bench.pass(999);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.answer(bench.last()).type).toBe("answered");
    expect(bench.isIdle()).toBe(true);
  });

  it("does not keep a request alive whose next sending fails", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onSendFailed(0, tinyAddress("a"), bench.last().tag, "queueFull");
    bench.pass(250);
    bench.rpc.onSendFailed(bench.nowMs, tinyAddress("a"), bench.last().tag, "unreachable");
    expect(bench.takeTold()).toEqual(["unreachable a", "unreachable a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it("of a whole link means again when it opens", () => {
    const bench = new RpcBench();
    const request = bench.ask({ addresses: [addressOn("a", 3)] });
    bench.rpc.setLink(3, false);
    bench.rpc.onSendFailed(0, addressOn("a", 3), bench.last().tag, "queueFull");
    bench.pass(5_000);
    expect(bench.sent).toHaveLength(1);
    bench.rpc.setLink(3, true);
    bench.poll();
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [5_000, "a"],
    ]);
    expect(request.state).toBe("inFlight");
  });

  it("for as long as the hard timeout fails the request, still without counting against the peer", () => {
    const bench = new RpcBench({ limits: { suspectAfterFailures: 1 } });
    bench.ask({ addresses: [addressOn("a", 3)] });
    bench.rpc.setLink(3, false);
    bench.rpc.onSendFailed(0, addressOn("a", 3), bench.last().tag, "queueFull");
    bench.pass(10_000);
    expect(bench.takeTold()).toEqual(["timedOut a", "noAnswer a"]);
    expect(bench.history.isSuspect(bench.nowMs, "a")).toBe(false);
    bench.poll();
    expect(bench.isIdle()).toBe(true);
  });

  it("does not make known again what was sent before: an answer to the first sending still counts", () => {
    const bench = new RpcBench();
    bench.ask("a", application());
    bench.pass(1_000);
    bench.rpc.onSendFailed(bench.nowMs, tinyAddress("a"), bench.last().tag, "queueFull");
    bench.pass(250);
    expect(bench.sent).toHaveLength(3);
    expect(new Set(bench.sent.map(({ tag }) => tag)).size).toBe(1);
    expect(bench.answer(bench.sent[0] as Sent, { type: "application", body: new Uint8Array(0) }).type).toBe(
      "answered",
    );
  });
});

describe("a message held back by a layer below", () => {
  it("has its soft timeout counted from when it was sent, and tells no round trip", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(1_500);
    expect(bench.takeTold()).toEqual([]);
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(999);
    expect(bench.takeTold()).toEqual([]);
    bench.answer(bench.last());
    expect(bench.history.smoothedRttMs("a")).toBeUndefined();
    expect(bench.isIdle()).toBe(true);
  });

  it("is overdue after its soft timeout as any other", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(1_500);
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(1_000);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
  });

  it("has its hard timeout counted from when it was handed over", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(9_000);
    bench.takeTold();
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(999);
    expect(bench.takeTold()).toEqual([]);
    bench.pass(1);
    expect(bench.takeTold()).toEqual(["silent a", "timedOut a", "noAnswer a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it("is not sent again, yet nobody waits for longer than its handshake should take", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(2_000);
    expect(bench.takeTold()).toEqual(["slow a"]);
    bench.pass(2_000);
    expect(bench.takeTold()).toEqual(["overdue a"]);
    expect(bench.rpc.inFlight).toBe(0);
    expect(bench.sent).toHaveLength(1);
    expect(bench.answer(bench.last()).type).toBe("answered");
  });

  it("is sent again after its soft timeout when it was slow already", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(2_500);
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(1_000);
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [3_500, "a"],
    ]);
    expect(bench.takeTold()).toEqual(["slow a"]);
  });

  it("is not sent again when nobody waited for it any more as it left", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(4_500);
    expect(bench.takeTold()).toEqual(["slow a", "overdue a"]);
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(5_499);
    expect(bench.sent).toHaveLength(1);
    expect(bench.takeTold()).toEqual([]);
  });

  it("is the only one whose soft timeout is moved by its being sent", () => {
    const bench = new RpcBench({ limits: { retries: 0 } });
    bench.ask("a");
    bench.pass(900);
    bench.rpc.onSent(bench.nowMs, bench.last().tag);
    bench.pass(100);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
  });

  it("does not keep the peer's next address from being tried", () => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b"));
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.pass(250);
    expect(bench.last().to).toBe("b");
    bench.rpc.onSent(bench.nowMs, (bench.sent[0] as Sent).tag);
    bench.pass(50);
    bench.answer(bench.sent[0] as Sent);
    expect(bench.takeTold()).toEqual(["answered a"]);
  });

  it("that has been answered, or was never known, is sent to no effect", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.answer(bench.last());
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.rpc.onSent(0, bench.last().tag);
    bench.rpc.onSent(0, 4_711);
    expect(bench.isIdle()).toBe(true);
  });

  it("gives way to others when its queue is full, and goes again after a pause", () => {
    const bench = new RpcBench();
    bench.ask("a");
    bench.rpc.onDeferred(0, bench.last().tag);
    bench.rpc.onSendFailed(10, tinyAddress("a"), bench.last().tag, "queueFull");
    bench.nowMs = 10;
    bench.pass(300);
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [260, "a"],
    ]);
  });
});

describe("an application message", () => {
  it("keeps its id when it is sent again to the same address, and its answer then tells no time", () => {
    const bench = new RpcBench();
    bench.ask("a", application());
    bench.pass(1_000);
    expect(bench.sent).toHaveLength(2);
    expect((bench.sent[0] as Sent).tag).toBe((bench.sent[1] as Sent).tag);
    expect(bench.rpc.pending).toBe(1);
    bench.answer(bench.last(), { type: "application", body: new Uint8Array(0) });
    expect(bench.history.smoothedRttMs("a")).toBeUndefined();
    expect(bench.history.size).toBe(0);
    expect(bench.isIdle()).toBe(true);
  });

  it("tells the round trip when it was sent once", () => {
    const bench = new RpcBench();
    bench.ask("a", application());
    bench.pass(40);
    bench.answer(bench.last(), { type: "application", body: new Uint8Array(0) });
    expect(bench.history.smoothedRttMs("a")).toBe(40);
  });

  it("has another id at another address", () => {
    const bench = new RpcBench();
    bench.ask(seedOf("a", "b"), application());
    bench.pass(250);
    expect(bench.sent).toHaveLength(2);
    expect((bench.sent[0] as Sent).tag).not.toBe((bench.sent[1] as Sent).tag);
  });
});

describe("a closed link", () => {
  const one = { addresses: [addressOn("a", 1)] };
  const two = { addresses: [addressOn("a", 1), addressOn("b", 2)] };

  it("closes those peers that are reached through it alone", () => {
    const bench = new RpcBench();
    expect([bench.rpc.isOpen(one.addresses), bench.rpc.isOpen(two.addresses)]).toEqual([true, true]);
    bench.rpc.setLink(1, false);
    expect([bench.rpc.isOpen(one.addresses), bench.rpc.isOpen(two.addresses)]).toEqual([false, true]);
    bench.rpc.setLink(2, false);
    expect([bench.rpc.isOpen(one.addresses), bench.rpc.isOpen(two.addresses)]).toEqual([false, false]);
    bench.rpc.setLink(1, true);
    expect([bench.rpc.isOpen(one.addresses), bench.rpc.isOpen(two.addresses)]).toEqual([true, true]);
  });

  it("is not made good by an address that we cannot dial, nor waited for by a peer with no other", () => {
    const bench = new RpcBench({ dialable: 1 });
    bench.rpc.setLink(1, false);
    const undialable = { ...addressOn("c", 2), kind: 8 };
    expect(bench.rpc.isOpen([addressOn("a", 1), undialable])).toBe(false);
    expect(bench.rpc.isOpen([undialable])).toBe(true);
  });

  it("holds a request back without failing it, while those by other links go out", () => {
    const bench = new RpcBench();
    bench.rpc.setLink(1, false);
    bench.enqueue(one);
    bench.enqueue({ addresses: [addressOn("b", 2)] });
    bench.poll();
    expect(timesOf(bench)).toEqual([[0, "b"]]);
    expect(bench.rpc.queued).toBe(1);
    bench.pass(60_000);
    bench.rpc.setLink(1, true);
    bench.poll();
    expect(bench.last()).toMatchObject({ to: "a", atMs: 60_000 });
    expect(bench.takeTold().filter((told) => told.endsWith("a"))).toEqual([]);
  });

  it("is passed over for the peer's other address", () => {
    const bench = new RpcBench();
    bench.rpc.setLink(1, false);
    bench.ask(two);
    expect(timesOf(bench)).toEqual([[0, "b"]]);
  });
});

describe("how much is under way", () => {
  it("is bounded by the requests that somebody waits for", () => {
    const bench = new RpcBench({ limits: { maxInFlight: 2 } });
    bench.ask("a");
    expect(bench.rpc.hasRoom(0)).toBe(true);
    bench.ask("b");
    expect(bench.rpc.hasRoom(0)).toBe(false);
    bench.answer(bench.last());
    expect(bench.rpc.hasRoom(0)).toBe(true);
    bench.ask("c");
    bench.pass(3_000);
    expect(bench.takeTold()).toContain("overdue c");
    expect(bench.rpc.hasRoom(bench.nowMs)).toBe(true);
  });

  it("is bounded by what is unanswered in the last window, and a timer says when there is room again", () => {
    const bench = new RpcBench({ limits: { maxInFlightPerWindow: 2, inFlightWindowMs: 800 } });
    bench.ask("a");
    bench.ask("b");
    expect(bench.rpc.hasRoom(0)).toBe(false);
    expect(bench.timers.earliest).toMatchObject({ reason: "sendWindow", atMs: 200 });
    bench.answer(bench.last());
    expect(bench.rpc.hasRoom(0)).toBe(true);
    bench.ask("c");
    for (const atMs of [200, 400, 600]) {
      bench.pass(atMs - bench.nowMs);
      expect(bench.rpc.hasRoom(atMs)).toBe(false);
    }
    bench.pass(200);
    expect(bench.rpc.hasRoom(800)).toBe(true);
  });

  it("counts every message once, though its request has failed at one address and ended at another", () => {
    const bench = new RpcBench({ limits: { maxInFlightPerWindow: 2 } });
    bench.ask(seedOf("a", "b"));
    bench.rpc.onSendFailed(0, tinyAddress("a"), bench.last().tag, "unreachable");
    bench.poll();
    bench.answer(bench.last());
    bench.ask("c");
    expect(bench.rpc.hasRoom(0)).toBe(true);
    bench.ask("d");
    expect(bench.rpc.hasRoom(0)).toBe(false);
  });

  it("holds handed-over requests back too, until there is room", () => {
    const bench = new RpcBench({ limits: { maxInFlight: 1 } });
    bench.ask("a");
    bench.enqueue("b");
    bench.poll();
    expect(timesOf(bench)).toEqual([[0, "a"]]);
    bench.answer(bench.last());
    bench.poll();
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [0, "b"],
    ]);
    expect(bench.rpc.inFlight).toBe(1);
  });

  it("is not asked for by what is sent again", () => {
    const bench = new RpcBench({ limits: { maxInFlight: 1, maxInFlightPerWindow: 1 } });
    bench.ask("a");
    bench.pass(1_000);
    expect(bench.sent).toHaveLength(2);
  });

  it("takes a request handed over once, however often", () => {
    const bench = new RpcBench();
    const request = bench.enqueue("a");
    bench.rpc.enqueue(request);
    expect(bench.rpc.queued).toBe(1);
  });
});

describe("what is remembered for a late answer", () => {
  const limits = { maxPendingRequests: 16, maxInFlight: 100, maxInFlightPerWindow: 100 };

  it("is bounded: the oldest that nobody waits for is forgotten, as failed, and now", () => {
    const bench = new RpcBench({ limits: { ...limits, retries: 0 } });
    const failedAtMs: number[] = [];
    const owner = { ...bench.owner, onFailure: (nowMs: number) => void failedAtMs.push(nowMs) };
    const request = bench.rpc.create(seedOf("old"), { type: "ping" }, owner);
    bench.rpc.begin(0, request, new Uint8Array(8));
    bench.pass(1_000);
    for (let i = 0; i < 15; i++) bench.ask(`peer-${i}`);
    expect(bench.rpc.pending).toBe(16);
    expect(failedAtMs).toEqual([]);
    expect(bench.rpc.hasRoom(bench.nowMs)).toBe(true);
    expect(failedAtMs).toEqual([1_000]);
    expect(bench.rpc.pending).toBe(15);
  });

  it("leaves no room for more where somebody waits for every one", () => {
    const bench = new RpcBench({ limits });
    for (let i = 0; i < 16; i++) bench.ask(`peer-${i}`);
    expect(bench.rpc.hasRoom(0)).toBe(false);
    expect(bench.takeTold()).toEqual([]);
  });

  it("includes requests of queries that have ended, and forgets those first", () => {
    const bench = new RpcBench({ limits });
    for (let i = 0; i < 15; i++) bench.ask(`peer-${i}`);
    bench.rpc.detach(bench.ask("ended"));
    expect(bench.rpc.hasRoom(0)).toBe(true);
    expect(bench.rpc.pending).toBe(15);
    expect(bench.takeTold()).toEqual([]);
  });

  it("never passes its bound, though requests are sent again", () => {
    const bench = new RpcBench({ limits });
    for (let i = 0; i < 12; i++) bench.ask(`peer-${i}`);
    for (let i = 0; i < 100; i++) {
      bench.pass(100);
      expect(bench.rpc.pending).toBeLessThanOrEqual(16);
    }
    expect(bench.isIdle()).toBe(true);
  });
});

describe("a request whose query has ended", () => {
  it("frees its slot in the same step, and its answer still teaches us about the peer", () => {
    const bench = new RpcBench();
    const request = bench.ask("a");
    bench.rpc.detach(request);
    expect(bench.rpc.inFlight).toBe(0);
    expect(bench.rpc.pending).toBe(1);
    bench.rpc.detach(request);
    expect(bench.rpc.inFlight).toBe(0);
    bench.nowMs = 30;
    expect(bench.answer(bench.last()).type).toBe("answered");
    expect(bench.history.smoothedRttMs("a")).toBe(30);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.isIdle()).toBe(true);
  });

  it("is counted against the peer when no answer comes, and nobody is told", () => {
    const bench = new RpcBench();
    bench.rpc.detach(bench.ask("a"));
    bench.pass(10_000);
    expect(bench.takeTold()).toEqual(["silent a", "timedOut a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it.each(["slow", "overdue", "ended"] as const)("may have been %s before", (state) => {
    const bench = new RpcBench();
    const request = bench.ask("a");
    bench.pass(state === "slow" ? 1_000 : state === "overdue" ? 3_000 : 10_000);
    expect(request.state).toBe(state);
    bench.rpc.detach(request);
    expect(bench.rpc.inFlight).toBe(0);
    bench.pass(10_000);
    expect(bench.rpc.inFlight).toBe(0);
    expect(bench.isIdle()).toBe(true);
  });

  it("is sent again all the same, for its silence says something of the peer", () => {
    const bench = new RpcBench();
    bench.rpc.detach(bench.ask("a"));
    bench.pass(1_000);
    expect(bench.sent).toHaveLength(2);
  });

  it("is not sent again when it is a message, even where it waits for that already", () => {
    const bench = new RpcBench();
    const request = bench.ask("a", application());
    bench.nowMs = 1_000;
    bench.timers.run(1_000);
    expect(bench.rpc.queued).toBe(1);
    bench.rpc.detach(request);
    bench.pass(60_000);
    expect(bench.sent).toHaveLength(1);
    expect(bench.isIdle()).toBe(true);
  });

  it("goes to no other address when it is a message, and only the one that it went to counts as silent", () => {
    const bench = new RpcBench({ limits: { suspectAfterFailures: 1 } });
    bench.rpc.detach(bench.ask(seedOf("a", "b"), application()));
    bench.pass(10_000);
    expect(timesOf(bench)).toEqual([[0, "a"]]);
    expect(bench.history.isSuspect(bench.nowMs, "a")).toBe(true);
    expect(bench.history.isSuspect(bench.nowMs, "b")).toBe(false);
    expect(bench.isIdle()).toBe(true);
  });

  it("is never sent when it has not been yet", () => {
    const bench = new RpcBench();
    bench.rpc.detach(bench.enqueue("waiting"));
    const refused = bench.ask("refused");
    bench.rpc.onSendFailed(0, tinyAddress("refused"), bench.last().tag, "queueFull");
    bench.rpc.detach(refused);
    bench.pass(60_000);
    expect(timesOf(bench)).toEqual([[0, "refused"]]);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.isIdle()).toBe(true);
  });
});

describe("a request to a peer of whom nothing is expected", () => {
  it("takes no slot, is told to be overdue at once, and is not sent again", () => {
    const bench = new RpcBench();
    const request = bench.ask("a");
    bench.rpc.expectNothing(0, request);
    expect(bench.takeTold()).toEqual(["overdue a"]);
    expect(bench.rpc.inFlight).toBe(0);
    bench.rpc.expectNothing(0, request);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.rpc.inFlight).toBe(0);
    bench.pass(10_000);
    expect(bench.sent).toHaveLength(1);
    expect(bench.takeTold()).toEqual(["silent a", "timedOut a", "noAnswer a"]);
    expect(bench.isIdle()).toBe(true);
  });

  it("takes no part of the send window, so that the dead do not hold back the living", () => {
    const bench = new RpcBench({ limits: { maxInFlightPerWindow: 2 } });
    for (const name of ["a", "b", "c", "d"]) {
      const request = bench.ask(name);
      expect(bench.rpc.hasRoom(bench.nowMs)).toBe(true);
      bench.rpc.expectNothing(0, request);
    }
    bench.ask("e");
    expect(bench.rpc.hasRoom(bench.nowMs)).toBe(true);
    bench.ask("f");
    expect(bench.rpc.hasRoom(bench.nowMs)).toBe(false);
  });

  it("goes to each of its addresses all the same, and an answer ends it", () => {
    const bench = new RpcBench();
    bench.rpc.expectNothing(0, bench.ask(seedOf("a", "b")));
    bench.pass(1_000);
    expect(timesOf(bench)).toEqual([
      [0, "a"],
      [250, "b"],
    ]);
    expect(bench.answer(bench.last()).type).toBe("answered");
    expect(bench.rpc.inFlight).toBe(0);
    expect(bench.isIdle()).toBe(true);
  });

  it("still counts against the peer, so that it does not stay in the table for ever", () => {
    const bench = new RpcBench({ limits: { suspectAfterFailures: 1 } });
    bench.rpc.expectNothing(0, bench.ask("a"));
    bench.pass(1_000);
    expect(bench.history.isSuspect(bench.nowMs, "a")).toBe(true);
    expect(bench.takeTold()).toEqual(["overdue a", "silent a"]);
  });
});

describe("a request that a stranger has caused", () => {
  it("is sent once, and no longer than it may be", () => {
    const bench = new RpcBench();
    bench.rpc.enqueue(bench.rpc.createOnce(seedOf("a"), { type: "ping" }, bench.owner, 50));
    bench.pass(5_000);
    expect(bench.sent).toHaveLength(1);
    expect(bench.takeTold()).toEqual(["silent a", "overdue a"]);
    bench.rpc.enqueue(bench.rpc.createOnce(seedOf("b"), { type: "ping" }, bench.owner, 0));
    bench.poll();
    expect(bench.takeTold()).toEqual(["tooLarge b"]);
  });
});

describe("a request that has failed", () => {
  it("does not fail again", () => {
    const bench = new RpcBench();
    const request = bench.ask("a");
    bench.rpc.fail(0, request, "closed");
    bench.rpc.fail(0, request, "closed");
    bench.rpc.expectNothing(0, request);
    bench.rpc.detach(request);
    expect(bench.takeTold()).toEqual(["closed a"]);
    expect(bench.isIdle()).toBe(true);
  });
});

describe("closing", () => {
  it("forgets what waits for a link, too", () => {
    const bench = new RpcBench();
    bench.ask({ addresses: [addressOn("a", 3)] });
    bench.rpc.setLink(3, false);
    bench.rpc.onSendFailed(0, addressOn("a", 3), bench.last().tag, "queueFull");
    expect([bench.rpc.pending, bench.rpc.queued, bench.timers.size]).toEqual([0, 1, 1]);
    bench.rpc.close();
    expect(bench.isIdle()).toBe(true);
  });

  it("forgets everything and tells nobody", () => {
    const bench = new RpcBench({ limits: { maxInFlightPerWindow: 3 } });
    bench.ask("a");
    bench.ask("b");
    bench.ask("c");
    bench.enqueue("d");
    expect(bench.rpc.hasRoom(0)).toBe(false);
    bench.rpc.close();
    expect(bench.isIdle()).toBe(true);
    bench.pass(60_000);
    expect(bench.takeTold()).toEqual([]);
    expect(bench.sent).toHaveLength(3);
  });
});

describe("the default limits", () => {
  it("leave time for a request to be overdue before it fails, at the longest estimate but one", () => {
    const limits = resolveLimits({});
    const history = new PeerHistory(limits);
    history.onAnswered("a", 1_000);
    const softMs = history.softTimeoutMs("a") + limits.softTimeoutJitterMs;
    expect(softMs * (1 + 2)).toBeLessThan(limits.hardTimeoutMs);
  });
});
