/**
 * Overwrites borrowed buffers with 0xAA as soon as the call that borrowed them has returned. Whoever kept a view instead
 * of a copy then finds 0xAA where bytes should be, at once and every time.
 */
import type { Transport, TransportSink } from "@kad/core";
import { intercept } from "./intercept.ts";

export const poisonByte = 0xaa;

/** A transport whose received messages are overwritten when the sink has returned, and those to send when `send` has. */
export function poisonedTransport<T extends Transport>(transport: T): T {
  const overwriting: Pick<Transport, "open" | "send"> = {
    open: (sink, addresses) => transport.open(poisonedSink(sink), addresses),
    send(transmit, bytes) {
      const outcome = transport.send(transmit, bytes);
      bytes.fill(poisonByte);
      return outcome;
    },
  };
  return intercept(transport, overwriting as Partial<T>);
}

function poisonedSink(sink: TransportSink): TransportSink {
  return intercept(sink, {
    message(from, bytes) {
      sink.message(from, bytes);
      bytes.fill(poisonByte);
    },
  });
}
