import { intercept, type MakeTransport } from "../../src/index.ts";
import { mutantError } from "../support/mutants.ts";
import { doing, everyNth, memory, tcp, telling } from "../support/transports.ts";

export const ofConnections: Readonly<Record<string, Record<string, MakeTransport>>> = {
  "goes on after a message to where nobody listens": {
    throws: memory(
      doing((transport) => {
        const isSecond = everyNth(2);
        return {
          send(transmit, bytes) {
            if (isSecond()) throw mutantError();
            return transport.send(transmit, bytes);
          },
        };
      }),
    ),
    "is dead from then on": memory(
      doing((transport) => {
        let sent = 0;
        return { send: (transmit, bytes) => (++sent > 1 ? "unreachable" : transport.send(transmit, bytes)) };
      }),
    ),
  },
  "tells the failure of each message that waited for a dial which fails, once": {
    "tells of the first only": tcp(
      telling((sink) => {
        let told = 0;
        return { sendFailed: (to, tag, reason) => ++told > 1 || sink.sendFailed(to, tag, reason) };
      }),
    ),
    "tells twice": tcp(
      telling((sink) => ({
        sendFailed(to, tag, reason) {
          sink.sendFailed(to, tag, reason);
          sink.sendFailed(to, tag, reason);
        },
      })),
    ),
    "says that the queue is full": tcp(
      telling((sink) => ({
        sendFailed: (to, tag) => sink.sendFailed(to, tag, "queueFull"),
      })),
    ),
  },
  "says of messages that wait for a dial that they are deferred, and then sent, once each": {
    "says nothing of the dial": tcp(telling(() => ({ deferred: () => undefined }))),
    "says nothing when they leave": tcp(telling(() => ({ sent: () => undefined }))),
    "says so twice": tcp(
      telling((sink) => ({
        sent(tag) {
          sink.sent(tag);
          sink.sent(tag);
        },
      })),
    ),
    "says that all of them are sent": tcp(
      doing((transport) => ({
        send(transmit, bytes) {
          transport.send(transmit, bytes);
          return "sent";
        },
      })),
    ),
  },
  "loses and doubles nothing when both sides dial at once": {
    "takes its own dial for the better one": tcp(
      telling((sink) => {
        let hasDialled = false;
        return {
          deferred(tag) {
            hasDialled = true;
            sink.deferred(tag);
          },
          message: (from, bytes) => (hasDialled && !from.dialable ? undefined : sink.message(from, bytes)),
        };
      }),
    ),
  },
  "tells that the other side has gone, without a tag": {
    "says nothing": tcp(
      telling((sink) => ({
        sendFailed: (to, tag, reason) => tag !== undefined && sink.sendFailed(to, tag, reason),
      })),
    ),
    "gives it a tag": tcp(
      telling((sink) => ({
        sendFailed: (to, _tag, reason) => sink.sendFailed(to, 1, reason),
      })),
    ),
  },
  "dials again where a connection was, when somebody listens there again": {
    "remembers who was gone": tcp(
      doing((transport) => {
        const gone = new Set<string>();
        return {
          open: (sink, addresses) =>
            transport.open(
              intercept(sink, {
                sendFailed(to, tag, reason) {
                  gone.add(to.key);
                  sink.sendFailed(to, tag, reason);
                },
              }),
              addresses,
            ),
          send: (transmit, bytes) =>
            gone.has(transmit.path.remote.key) ? "unreachable" : transport.send(transmit, bytes),
        };
      }),
    ),
  },
  "refuses at some point, rather than to keep without a bound": {
    "keeps everything": memory(
      doing((transport) => {
        const kept: Uint8Array[] = [];
        return {
          send(transmit, bytes) {
            if (transport.send(transmit, bytes) === "full") kept.push(bytes);
            return "sent";
          },
        };
      }),
    ),
    "keeps nothing": memory(doing(() => ({ send: () => "full" }))),
  },
  "takes messages again once there is room, and says so": {
    "does not say so": memory(telling(() => ({ flow: () => undefined }))),
    "takes no more": memory(
      doing((transport) => {
        let wasFull = false;
        return {
          send(transmit, bytes) {
            const outcome = wasFull ? "full" : transport.send(transmit, bytes);
            wasFull ||= outcome === "full";
            return outcome;
          },
        };
      }),
    ),
  },
  "a connection that takes nothing is refused alone, and holds up no other": {
    "says that all is full": tcp(
      doing((transport) => {
        let isFull = false;
        return {
          open: (sink, addresses) =>
            transport.open(
              intercept(sink, {
                sendFailed(to, tag, reason) {
                  isFull ||= reason === "queueFull";
                  if (!isFull) sink.sendFailed(to, tag, reason);
                },
              }),
              addresses,
            ),
          send: (transmit, bytes) => (isFull ? "full" : transport.send(transmit, bytes)),
        };
      }),
    ),
  },
};
