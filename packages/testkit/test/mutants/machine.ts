/** Machines that are wrong about time and about messages. By the case that must catch them. */
import { copyBytes, KadNode, type NodeEvent, type Transmit } from "@kad/core";
import type { MakeMachine } from "../../src/index.ts";
import { alsoTelling, broken, deafTo, telling } from "../support/machines.ts";
import { mutantError } from "../support/mutants.ts";

/** Counts over all machines of this process: no two runs are alike. */
let calls = 0;

export const ofTime: Readonly<Record<string, Record<string, MakeMachine>>> = {
  "rule 4: time never runs backwards: a smaller instant counts as the last one": {
    "sets timers from the instant that it is given": broken((node) => {
      let lastMs = 0;
      return {
        handleTimeout(nowMs) {
          lastMs = Math.max(lastMs, nowMs);
          node.handleTimeout(nowMs);
        },
        setTimer: (nowMs, delayMs, plugin) =>
          node.setTimer(nowMs, Math.max(0, delayMs - Math.max(0, lastMs - nowMs)), plugin),
      };
    }),
  },
  "early and repeated timeouts do nothing": {
    "takes every timeout for the next deadline": broken((node) => ({
      handleTimeout: (nowMs) => node.handleTimeout(Math.max(nowMs, node.nextDeadline()?.atMs ?? nowMs)),
    })),
  },
  "a deadline that was handled is over: the next one moves on": {
    "always wants to be called now": broken((node) => {
      let lastMs = 0;
      return {
        handleTimeout(nowMs) {
          lastMs = nowMs;
          node.handleTimeout(nowMs);
        },
        nextDeadline: () => ({ atMs: lastMs, reason: "now" }),
      };
    }),
    "gives no reason": broken((node) => ({
      nextDeadline: () => {
        const deadline = node.nextDeadline();
        return deadline && { ...deadline, reason: "" };
      },
    })),
  },
  "the wall clock moves no deadline, wherever it stands and however it is corrected": {
    "takes it for the time": broken((node) => {
      let firstMs: number | undefined;
      let gainMs = 0;
      return {
        handleNetworkEvent(nowMs, event) {
          if (event.type === "wallClock") {
            firstMs ??= event.unixMs - nowMs;
            gainMs = event.unixMs - nowMs - firstMs;
          }
          node.handleNetworkEvent(nowMs, event);
        },
        nextDeadline: () => {
          const deadline = node.nextDeadline();
          return deadline && { ...deadline, atMs: deadline.atMs - gainMs };
        },
      };
    }),
  },
  "rule 6: a request is not queued: it is written when it is asked for, and its time begins then": {
    "writes it at once, and keeps it": broken((node) => {
      const queue: { transmit: Transmit; bytes: Uint8Array }[] = [];
      const room = new Uint8Array(1_200);
      return {
        ping(nowMs, to, options) {
          const query = node.ping(nowMs, to, options);
          const transmit = node.pollTransmit(nowMs, room);
          if (transmit !== undefined) queue.push({ transmit, bytes: copyBytes(room, 0, transmit.length) });
          return query;
        },
        pollTransmit(nowMs, into) {
          const next = queue.shift();
          if (next === undefined) return node.pollTransmit(nowMs, into);
          into.set(next.bytes);
          return next.transmit;
        },
      };
    }),
  },
  "what a layer below holds back is not sent again while it waits": {
    "does not hear of it": deafTo(({ type }) => type === "deferred"),
    "does not hear that it was sent": deafTo(({ type }) => type === "sent"),
  },
};

export const ofMessages: Readonly<Record<string, Record<string, MakeMachine>>> = {
  "borrowed buffers may be overwritten after every call, and events own their bytes": {
    "hands out views of what has arrived": broken((node) => {
      const arrived: Uint8Array[] = [];
      return {
        handleNetworkEvent(nowMs, event) {
          if (event.type === "message") arrived.push(event.bytes);
          node.handleNetworkEvent(nowMs, event);
        },
        pollEvent() {
          const event = node.pollEvent();
          if (event?.type !== "messageReceived") return event;
          const length = event.body.length;
          const view = arrived.findLast((bytes) => bytes.length > length)?.subarray(0, length);
          return { ...event, body: view ?? event.body };
        },
      };
    }),
    "hands out one buffer again and again": telling(
      (() => {
        const scratch = new Uint8Array(1_200);
        return (event: NodeEvent) => {
          if (event.type !== "messageReceived") return event;
          scratch.set(event.body);
          return { ...event, body: scratch.subarray(0, event.body.length) };
        };
      })(),
    ),
    "keeps the caller's body": broken((node) => ({
      send(nowMs, to, protocol, body, options) {
        const query = node.send(nowMs, to, protocol, new Uint8Array(body.length), options);
        const poll = node.pollTransmit.bind(node);
        node.pollTransmit = (at, into) => {
          const transmit = poll(at, into);
          if (transmit !== undefined && transmit.length > body.length) {
            into.set(body, transmit.length - body.length);
          }
          return transmit;
        };
        return query;
      },
    })),
  },
  "never writes more than the address carries": {
    "fills the room": broken((node) => ({
      pollTransmit(nowMs, into) {
        const transmit = node.pollTransmit(nowMs, into);
        return transmit && { ...transmit, length: into.length };
      },
    })),
  },
  "never writes more than the room that it is given": {
    "looks at the address alone": broken((node) => {
      const room = new Uint8Array(1_200);
      return {
        pollTransmit(nowMs, into) {
          const transmit = node.pollTransmit(nowMs, into.length < 1_200 ? room : into);
          return (
            transmit && { ...transmit, length: Math.max(transmit.length, Math.min(650, into.length + 50)) }
          );
        },
      };
    }),
  },
  "any bytes from anybody: nothing throws, and everything goes on": {
    "throws at short ones": broken((node) => ({
      handleNetworkEvent(nowMs, event) {
        if (event.type === "message" && event.bytes.length < 8) throw mutantError();
        node.handleNetworkEvent(nowMs, event);
      },
    })),
    "is deaf after too many": broken((node) => {
      let heard = 0;
      return {
        handleNetworkEvent: (nowMs, event) =>
          (event.type === "message" && ++heard > 1_000) || node.handleNetworkEvent(nowMs, event),
      };
    }),
  },
  "its own messages, reflected, are not taken for those of a peer": {
    "takes them for answers": broken((node) => {
      const said = new Set<string>();
      const events: NodeEvent[] = [];
      return {
        pollTransmit(nowMs, into) {
          const transmit = node.pollTransmit(nowMs, into);
          if (transmit !== undefined) said.add(into.subarray(0, transmit.length).join());
          return transmit;
        },
        handleNetworkEvent(nowMs, event) {
          if (event.type === "message" && said.has(event.bytes.join())) {
            events.push({ type: "nodeDiscovered", contact: { id: node.id, addresses: [event.from.remote] } });
          }
          node.handleNetworkEvent(nowMs, event);
        },
        pollEvent: () => events.shift() ?? node.pollEvent(),
      };
    }),
  },
  "rule 5: a message that arrives twice is handed out once, and every query ends once": {
    "hands it out twice": alsoTelling(
      (() => {
        const told = new Set<object>();
        return (event: NodeEvent) => {
          if (event.type !== "messageReceived" || told.has(event.reply)) return undefined;
          told.add(event.reply);
          return event;
        };
      })(),
    ),
  },
  "rule 5: what is lost is sent again": {
    "sends each message once": broken((node) => {
      const said = new Set<string>();
      return {
        pollTransmit(nowMs, into) {
          for (;;) {
            const transmit = node.pollTransmit(nowMs, into);
            if (transmit === undefined || transmit.tag === 0) return transmit;
            const to = transmit.path.remote.key;
            if (!said.has(`${to} ${Math.floor(nowMs / 60_000)}`)) {
              said.add(`${to} ${Math.floor(nowMs / 60_000)}`);
              return transmit;
            }
          }
        },
      };
    }),
  },
  "rule 6: replies wait within a bound: beyond it requests are dropped, and answers are still read": {
    "has no bound": (options) => new KadNode({ ...options, limits: {} }),
    "reads nothing while they wait": broken((node) => ({
      handleNetworkEvent(nowMs, event) {
        if (node.stats().gauges.queuedReplies.used < 8) node.handleNetworkEvent(nowMs, event);
      },
    })),
  },
  "the same calls give the same outputs": {
    "draws from elsewhere": broken((node) => ({
      pollTransmit(nowMs, into) {
        const transmit = node.pollTransmit(nowMs, into);
        if (transmit !== undefined) into[3] = ++calls;
        return transmit;
      },
    })),
  },
  "rule 2: a hook that calls the machine is refused, and the machine lives": {
    "lets it": broken((node) => ({
      findNode(nowMs, target, options) {
        try {
          return node.findNode(nowMs, target, options);
        } catch {
          return 0;
        }
      },
    })),
  },
  "sendFailed with a tag ends that one sending": {
    "does not hear of it": deafTo(({ type }) => type === "sendFailed"),
    "ends all": broken((node) => ({
      handleNetworkEvent(nowMs, event) {
        node.handleNetworkEvent(nowMs, event);
        if (event.type !== "sendFailed") return;
        for (let query = 1; query < 20; query++) node.cancel(nowMs, query);
      },
    })),
  },
  "sendFailed without a tag ends everything under way to that address, and nothing else": {
    "does not hear of it": deafTo(({ type }) => type === "sendFailed"),
    "ends one": broken((node) => {
      const tags: number[] = [];
      return {
        pollTransmit(nowMs, into) {
          const transmit = node.pollTransmit(nowMs, into);
          if (transmit !== undefined) tags.push(transmit.tag);
          return transmit;
        },
        handleNetworkEvent: (nowMs, event) =>
          node.handleNetworkEvent(
            nowMs,
            event.type === "sendFailed" ? { ...event, tag: tags.at(-3) ?? 0 } : event,
          ),
      };
    }),
  },
  "queueFull means later: the message is polled again, and the query goes on": {
    "takes it for unreachable": broken((node) => ({
      handleNetworkEvent: (nowMs, event) =>
        node.handleNetworkEvent(
          nowMs,
          event.type === "sendFailed" ? { ...event, reason: "unreachable" } : event,
        ),
    })),
  },
  "unknown, answered and repeated tags change nothing": {
    "reports them": broken((node) => {
      const events: NodeEvent[] = [];
      return {
        handleNetworkEvent(nowMs, event) {
          if (event.type === "sendFailed") {
            events.push({ type: "requestTimedOut", query: undefined, to: event.to, peer: undefined });
          }
          node.handleNetworkEvent(nowMs, event);
        },
        pollEvent: () => events.shift() ?? node.pollEvent(),
      };
    }),
    "pings whom it could not reach": broken((node) => ({
      handleNetworkEvent(nowMs, event) {
        node.handleNetworkEvent(nowMs, event);
        if (event.type === "sendFailed") node.ping(nowMs, { addresses: [event.to] });
      },
    })),
  },
  "a link that is full is passed over until it is free": {
    "does not hear that it is full": deafTo((event) => event.type === "flow" && !event.open),
    "does not hear that it is free": deafTo((event) => event.type === "flow" && event.open),
  },
};
