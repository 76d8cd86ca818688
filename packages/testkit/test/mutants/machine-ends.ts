/** Machines whose queries, or which themselves, end wrongly. By the case that must catch them. */
import type { NodeEvent } from "@kad/core";
import type { MakeMachine } from "../../src/index.ts";
import { alsoTelling, broken, closing, isEnd, telling } from "../support/machines.ts";
import { mutantError } from "../support/mutants.ts";

export const ofEnds: Readonly<Record<string, Record<string, MakeMachine>>> = {
  "every query ends exactly once, whoever answers": {
    "forgets those that time out": telling((event) =>
      isEnd(event) && event.end === "exhausted" ? undefined : event,
    ),
    "ends some twice": alsoTelling(
      (() => {
        const told = new Set<number>();
        return (event: NodeEvent) => {
          if (!isEnd(event) || event.end !== "exhausted" || told.has(event.query)) return undefined;
          told.add(event.query);
          return event;
        };
      })(),
    ),
    "gives two queries one id": broken((node) => {
      let last = 0;
      return {
        ping(nowMs, to, options) {
          last = node.ping(nowMs, to, options);
          return last;
        },
        findNode: () => last,
      };
    }),
  },
  "cancel ends a query in the same step, and says no the second time": {
    "forgets to tell": telling((event) => (isEnd(event) && event.end === "cancelled" ? undefined : event)),
    "says yes always": broken((node) => ({ cancel: (nowMs, query) => node.cancel(nowMs, query) || true })),
    "cancels later": broken((node) => {
      const later: number[] = [];
      return {
        cancel: (_nowMs, query) => !later.includes(query) && later.push(query) > 0,
        handleTimeout(nowMs) {
          for (const query of later) node.cancel(nowMs, query);
          node.handleTimeout(nowMs);
        },
      };
    }),
  },
  "a query's deadline ends it with what there is": {
    "waits for answers": broken((node) => ({ ping: (nowMs, to) => node.ping(nowMs, to) })),
  },
  "rule 7: closing ends every query as closed, once": {
    "cancels them": telling((event) =>
      isEnd(event) && event.end === "closed" ? { ...event, end: "cancelled" } : event,
    ),
    "forgets them": telling((event) => (isEnd(event) && event.end === "closed" ? undefined : event)),
    "ends them again": broken((node) => {
      const ends: NodeEvent[] = [];
      let again: NodeEvent[] = [];
      let isClosed = false;
      return {
        pollEvent() {
          const event = again.shift() ?? node.pollEvent();
          if (event !== undefined && isEnd(event)) ends.push(event);
          return event;
        },
        close(nowMs) {
          if (isClosed) again = ends.splice(0);
          isClosed = true;
          node.close(nowMs);
        },
      };
    }),
  },
  "rule 7: what was queued can still be polled, and then it is drained": {
    "throws replies away": broken((node) => {
      let isClosed = false;
      return {
        close(nowMs) {
          isClosed = true;
          node.close(nowMs);
        },
        pollTransmit: (nowMs, into) => (isClosed ? undefined : node.pollTransmit(nowMs, into)),
      };
    }),
    "throws messages away": broken((node) => {
      let isClosed = false;
      return {
        close(nowMs) {
          isClosed = true;
          node.close(nowMs);
        },
        pollEvent() {
          let event = node.pollEvent();
          while (isClosed && event?.type === "messageReceived") event = node.pollEvent();
          return event;
        },
      };
    }),
    "is drained at once": broken((node) => {
      let isClosed = false;
      return {
        close(nowMs) {
          isClosed = true;
          node.close(nowMs);
        },
        get drained() {
          return isClosed;
        },
      };
    }),
    "is never drained": broken(() => ({ drained: false })),
  },
  "rule 7: nothing new appears when it is closed, whatever comes and however long it lasts": {
    "keeps its timer": broken((node) => ({
      nextDeadline: () => node.nextDeadline() ?? { atMs: 1e9, reason: "never" },
    })),
    "goes on": closing(() => undefined),
  },
  "a machine that is closed refuses commands with UsageError closed": {
    "takes them": broken((node) => {
      let isClosed = false;
      return {
        close(nowMs) {
          isClosed = true;
          node.close(nowMs);
        },
        get: (nowMs, key, options) => (isClosed ? 0 : node.get(nowMs, key, options)),
      };
    }),
    "throws something else": broken((node) => {
      let isClosed = false;
      return {
        close(nowMs) {
          isClosed = true;
          node.close(nowMs);
        },
        put(nowMs, record, options) {
          if (isClosed) throw new TypeError("closed");
          return node.put(nowMs, record, options);
        },
      };
    }),
  },
  "a machine may be closed before anything has happened": {
    throws: closing(() => {
      throw mutantError();
    }),
    "is not drained": broken(() => ({ drained: false })),
  },
};

export const ofTraces: Readonly<Record<string, Record<string, MakeMachine>>> = {
  "golden traces: the same inputs give the same bytes and events": {
    "writes another byte": broken((node) => ({
      pollTransmit(nowMs, into) {
        const transmit = node.pollTransmit(nowMs, into);
        if (transmit !== undefined && transmit.length > 100) into[transmit.length - 1] = 1;
        return transmit;
      },
    })),
    "keeps an event back": telling((event) => (event.type === "nodeDiscovered" ? undefined : event)),
    "is called a millisecond later": broken((node) => ({
      nextDeadline: () => {
        const deadline = node.nextDeadline();
        return deadline && { ...deadline, atMs: deadline.atMs + 1 };
      },
    })),
    "gives other ids to queries": broken((node) => ({
      findNode: (nowMs, target, options) => node.findNode(nowMs, target, options) + 1,
    })),
  },
};
