import { describe, expect, it } from "vitest";
import { KadError } from "../src/errors.ts";
import { EventQueue } from "../src/event-queue.ts";
import type { ApplicationMessage, NodeEvent, QueryFinished, QueryId } from "../src/events.ts";
import { resolveLimits } from "../src/options.ts";
import { tinyAddress, tinyContact, tinyId } from "./tiny-id.ts";

const limits = resolveLimits({ maxQueuedEvents: 16, maxQueuedMessages: 2 });
const from = { remote: tinyAddress("a"), dialable: true };

function queueOf(makeProgress: (query: QueryId) => NodeEvent | undefined = progressOf(1)): EventQueue {
  return new EventQueue({ limits, queries: { progress: makeProgress } });
}

function progressOf(step: number): (query: QueryId) => NodeEvent {
  return (query) => ({ type: "queryProgressed", query, step, result: { type: "nodes", contacts: [] } });
}

function finished(query: QueryId): QueryFinished {
  const stats = {
    startedAtMs: 0,
    durationMs: 0,
    requests: 0,
    responses: 0,
    failures: 0,
    rounds: 0,
    hops: 0,
  };
  return { type: "queryFinished", query, end: "converged", result: { type: "nodes", contacts: [] }, stats };
}

const message: ApplicationMessage = {
  type: "messageReceived",
  from,
  sender: tinyId(1),
  protocol: "p",
  body: new Uint8Array(0),
  reply: { id: 1 },
};

const droppable: readonly NodeEvent[] = [
  { type: "nodeDiscovered", contact: tinyContact(1) },
  { type: "requestTimedOut", query: undefined, to: tinyAddress("a"), peer: undefined },
  { type: "peerMisbehaved", from, code: "malformed" },
  { type: "error", error: new KadError("x", "x") },
];

function drained(queue: EventQueue): NodeEvent[] {
  const events: NodeEvent[] = [];
  for (let event = queue.poll(); event !== undefined; event = queue.poll()) events.push(event);
  return events;
}

describe("EventQueue", () => {
  it("hands out events in the order in which they were emitted", () => {
    const queue = queueOf();
    const events = [
      ...droppable,
      message,
      finished(1),
      { type: "timer", timer: 1, plugin: 1 },
    ] as NodeEvent[];
    for (const event of events) queue.push(event);
    expect(queue.length).toBe(events.length);
    expect(drained(queue)).toEqual(events);
    expect(queue.poll()).toBeUndefined();
  });

  it.each(droppable)(
    "drops and counts events of type $type when nobody polls, until somebody does",
    (event) => {
      const queue = queueOf();
      for (let i = 0; i < 20; i++) queue.push(event);
      expect(queue.others).toBe(16);
      expect(queue.dropped).toEqual({ queryProgressed: 0, other: 4 });
      queue.poll();
      queue.push(event);
      expect(queue.others).toBe(16);
      drained(queue);
      expect(queue.others).toBe(0);
    },
  );

  it("never drops the end of a query or a timer, whatever else there is", () => {
    const queue = queueOf();
    for (let i = 0; i < 100; i++) queue.push(droppable[0] as NodeEvent);
    for (let i = 0; i < 100; i++) {
      queue.push(finished(i));
      queue.push({ type: "timer", timer: i, plugin: 1 });
    }
    const types = drained(queue).map(({ type }) => type);
    expect(types.filter((type) => type === "queryFinished")).toHaveLength(100);
    expect(types.filter((type) => type === "timer")).toHaveLength(100);
    expect(queue.others).toBe(0);
  });

  it("counts application messages by themselves and says when they have no more room", () => {
    const queue = queueOf();
    queue.push(message);
    expect(queue.messagesFull).toBe(false);
    queue.push(message);
    expect(queue.messagesFull).toBe(true);
    expect([queue.messages, queue.others]).toEqual([2, 0]);
    queue.poll();
    expect(queue.messagesFull).toBe(false);
    expect(queue.messages).toBe(1);
  });

  it("holds a query's progress once, as it is when polled", () => {
    let step = 0;
    const queue = queueOf((query) => progressOf(step)(query));
    for (step = 1; step < 6; step++) queue.progressed(7);
    queue.progressed(8);
    expect(drained(queue)).toEqual([progressOf(6)(7), progressOf(6)(8)]);
    expect(queue.dropped).toEqual({ queryProgressed: 4, other: 0 });
    queue.progressed(7);
    expect(drained(queue)).toHaveLength(1);
  });

  it("tells nothing of the progress of a query that has ended since", () => {
    const queue = queueOf(() => undefined);
    queue.progressed(7);
    queue.push(finished(7));
    expect(drained(queue)).toEqual([finished(7)]);
  });
});
