/** Transports that do wrong with the messages that they are given. By the case that must catch them. */
import { copyBytes } from "@kad/core";
import type { MakeTransport } from "../../src/index.ts";
import { mutantError } from "../support/mutants.ts";
import { doing, everyNth, memory, otherTable, tcp, telling } from "../support/transports.ts";

export const ofMessages: Readonly<Record<string, Record<string, MakeTransport>>> = {
  "carries messages both ways": {
    "never answers": memory(
      doing((transport) => {
        let isFirst = true;
        return {
          send(transmit, bytes) {
            if (isFirst && transmit.path.local !== undefined) return "sent";
            isFirst = false;
            return transport.send(transmit, bytes);
          },
        };
      }),
    ),
    "changes a byte": memory(
      telling((sink) => ({
        message(from, bytes) {
          bytes[0] = 7;
          sink.message(from, bytes);
        },
      })),
    ),
    "cannot answer on a connection": tcp(
      doing((transport) => ({
        send: (transmit, bytes) => (transmit.path.dialable ? transport.send(transmit, bytes) : "unreachable"),
      })),
    ),
  },
  "says where a message came from, and whether that can be dialled": {
    "says that it cannot be dialled": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message({ ...from, dialable: false }, bytes),
      })),
    ),
    "says the wrong address": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message({ ...from, remote: from.local ?? from.remote }, bytes),
      })),
    ),
    "makes addresses of its own": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message({ ...from, remote: otherTable.parse(from.remote.key) }, bytes),
      })),
    ),
    "says that a connection can be dialled": tcp(
      telling((sink) => ({
        message: (from, bytes) => sink.message({ ...from, dialable: true }, bytes),
      })),
    ),
  },
  "hands over plain bytes, never a Buffer": {
    "hands over Buffers": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message(from, Buffer.from(bytes)),
      })),
    ),
  },
  "keeps no hold of what it was given: the scratch may be overwritten at once": {
    "sends later, from the caller's scratch": memory(
      doing((transport) => {
        const later: (() => void)[] = [];
        return {
          send(transmit, bytes) {
            later.push(() => transport.send(transmit, bytes));
            return "sent";
          },
          flush: () => {
            for (const send of later.splice(0)) send();
          },
        };
      }),
    ),
  },
  "hands over bytes that may be overwritten: nothing that comes later changes with them": {
    "hands over views that overlap": memory(
      telling((sink) => {
        const slab = new Uint8Array(70_000);
        let end = 0;
        const waiting: (() => void)[] = [];
        return {
          message(from, bytes) {
            slab.set(bytes, end);
            const [start, length] = [end, bytes.length];
            end += length - 1; // the next one begins with the last byte of this one
            waiting.push(() => sink.message(from, slab.subarray(start, start + length)));
            if (waiting.length === 20) for (const handOver of waiting.splice(0)) handOver();
          },
        };
      }),
    ),
  },
  "keeps messages apart, whatever their lengths": {
    "joins two into one": memory(
      telling((sink) => {
        let held: Uint8Array | undefined;
        return {
          message(from, bytes) {
            if (held === undefined) held = copyBytes(bytes);
            else {
              sink.message(from, Uint8Array.of(...held, ...bytes));
              held = undefined;
            }
          },
        };
      }),
    ),
    "keeps a length in one byte": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message(from, bytes.subarray(0, bytes.length & 255)),
      })),
    ),
  },
  "carries messages of one byte and of maxBytes": {
    "cuts the last byte of the largest": memory(
      telling((sink) => ({
        message: (from, bytes) => sink.message(from, bytes.subarray(0, 1_199)),
      })),
    ),
    "drops the smallest": memory(
      telling((sink) => ({
        message: (from, bytes) => bytes.length > 1 && sink.message(from, bytes),
      })),
    ),
  },
  "carries an empty message": {
    "takes it for nothing": memory(
      doing((transport) => ({
        send: (transmit, bytes) => (bytes.length === 0 ? "sent" : transport.send(transmit, bytes)),
      })),
    ),
  },
  "refuses a message of more than maxBytes with its tag, and carries the next": {
    "sends what fits": memory(
      doing((transport) => ({
        send: (transmit, bytes) => transport.send(transmit, bytes.subarray(0, 1_200)),
      })),
    ),
    throws: memory(
      doing((transport) => ({
        send(transmit, bytes) {
          if (bytes.length > 1_200) throw mutantError();
          return transport.send(transmit, bytes);
        },
      })),
    ),
    "forgets the tag": memory(
      telling((sink) => ({
        sendFailed: (to, _tag, reason) => sink.sendFailed(to, undefined, reason),
      })),
    ),
  },
  "delivers no message twice": {
    "delivers one in ten twice": memory(
      telling((sink) => {
        const isTwice = everyNth(10);
        return {
          message(from, bytes) {
            if (isTwice()) sink.message(from, copyBytes(bytes));
            sink.message(from, bytes);
          },
        };
      }),
    ),
  },
  "delivers the messages of one sender in their order": {
    "lets small ones overtake": tcp(
      telling((sink) => {
        const held: (() => void)[] = [];
        return {
          message(from, bytes) {
            const own = copyBytes(bytes);
            if (own.length > 1_000 && own[0] !== 32) held.push(() => sink.message(from, own));
            else {
              sink.message(from, own);
              for (const handOver of held.splice(0)) handOver();
            }
          },
        };
      }),
    ),
  },
  "loses nothing that it has accepted, however much is sent at once": {
    "loses one in fifty": tcp(
      telling((sink) => {
        const isLost = everyNth(50);
        return { message: (from, bytes) => isLost() || sink.message(from, bytes) };
      }),
    ),
    "swallows what it has no room for": tcp(
      doing((transport) => {
        let sent = 0;
        return { send: (transmit, bytes) => (++sent > 60 ? "queued" : transport.send(transmit, bytes)) };
      }),
    ),
  },
};
