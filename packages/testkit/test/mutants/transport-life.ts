/** Transports that open, flush, close or are polled wrongly. By the case that must catch them. */
import { type AddressTable, copyBytes, type TransportSink } from "@kad/core";
import type { MakeTransport } from "../../src/index.ts";
import { mutantError } from "../support/mutants.ts";
import { doing, memory, otherTable, polled, tcp } from "../support/transports.ts";

export const ofLife: Readonly<Record<string, Record<string, MakeTransport>>> = {
  "has local addresses of its kinds, in the table that it was given": {
    "has none": memory(doing(() => ({ localAddresses: [] }))),
    "has one of another table": memory(
      doing((transport) => ({
        get localAddresses() {
          return transport.localAddresses.map(({ key }) => otherTable.parse(key));
        },
      })),
    ),
    "has one of another kind": memory(
      doing((transport) => {
        let table: AddressTable | undefined;
        return {
          open(sink, addresses) {
            table = addresses;
            return transport.open(sink, addresses);
          },
          get localAddresses() {
            return table === undefined ? [] : [table.parse("tcp://10.0.0.1:1")];
          },
        };
      }),
    ),
  },
  "refuses to be opened twice": {
    "does not notice": memory(
      doing((transport) => {
        let isOpen = false;
        return {
          open(sink, addresses) {
            if (!isOpen) void transport.open(sink, addresses);
            isOpen = true;
          },
        };
      }),
    ),
    "throws what says nothing": memory(
      doing((transport) => {
        let isOpen = false;
        return {
          open(sink, addresses) {
            if (isOpen) throw new TypeError("cannot read properties of undefined");
            void transport.open(sink, addresses);
            isOpen = true;
          },
        };
      }),
    ),
  },
  "fails at an address in use with a ListenError that names it": {
    "opens all the same": memory(
      doing((transport) => ({
        open(sink, addresses) {
          try {
            return transport.open(sink, addresses);
          } catch {
            return undefined;
          }
        },
      })),
    ),
    "throws the system's error": memory(
      doing((transport) => ({
        open(sink, addresses) {
          try {
            return transport.open(sink, addresses);
          } catch (error) {
            throw (error as Error).cause;
          }
        },
      })),
    ),
  },
  "nothing that was flushed waits for another call": {
    "holds back the last one": memory(
      doing((transport) => {
        let held: (() => unknown) | undefined;
        return {
          send(transmit, bytes) {
            held?.();
            const own = copyBytes(bytes);
            held = () => transport.send(transmit, own);
            return "sent";
          },
        };
      }),
    ),
  },
  "lets leave what was sent before it is closed": {
    "drops what has not left": memory(
      doing((transport) => {
        const waiting: (() => unknown)[] = [];
        let isFirst = true;
        return {
          send(transmit, bytes) {
            const own = copyBytes(bytes);
            waiting.push(() => transport.send(transmit, own));
            if (isFirst) waiting.shift()?.();
            isFirst = false;
            return "sent";
          },
        };
      }),
    ),
  },
  "tells nothing once it is closed": {
    "goes on": memory(doing(() => ({ close: () => undefined }))),
    "tells its failures": tcp(
      doing((transport) => {
        let told: TransportSink | undefined;
        return {
          open(sink, addresses) {
            told = sink;
            return transport.open(sink, addresses);
          },
          close() {
            told?.sendFailed(otherTable.parse("tcp://10.0.0.1:1"), 3, "closed");
            return transport.close();
          },
        };
      }),
    ),
  },
  "closing twice is closing once": {
    throws: memory(
      doing((transport) => {
        let isClosed = false;
        return {
          close() {
            if (isClosed) throw mutantError();
            isClosed = true;
            return transport.close();
          },
        };
      }),
    ),
  },
  "frees every handle when it is closed, also of connections": {
    "leaks its socket": memory(doing(() => ({ close: () => undefined }))),
  },
};

export const ofPolled: Readonly<Record<string, Record<string, MakeTransport>>> = {
  "is open when open returns, and closed when close does, without a promise": {
    "opens with a promise": polled({
      transport: (transport) => ({
        open: async (sink, addresses) => {
          await Promise.resolve();
          await transport.open(sink, addresses);
        },
      }),
    }),
    "closes with a promise": polled({
      transport: (transport) => ({ close: () => Promise.resolve(transport.close()) }),
    }),
  },
  "names a descriptor for each socket while it is open, and none when it is closed": {
    "names none": polled({ socket: () => ({ fd: -1 }) }),
    "keeps naming it": polled({
      transport: () => ({ close: () => undefined }),
    }),
  },
  "reads no more than it is asked to, and says how much": {
    "reads everything": polled({ socket: (socket) => ({ receive: () => socket.receive(1_000) }) }),
    "says nothing": polled({ socket: (socket) => ({ receive: (max) => socket.receive(max) * 0 }) }),
  },
  "asks to wait for room to write only when something waits for it": {
    "always asks": polled({ socket: () => ({ wantsWrite: true }) }),
  },
};
