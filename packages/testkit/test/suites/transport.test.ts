import { describe, it } from "vitest";
import { transportCases, transportSuite } from "../../src/index.ts";
import { ofConnections } from "../mutants/transport-connections.ts";
import { ofLife, ofPolled } from "../mutants/transport-life.ts";
import { ofMessages } from "../mutants/transport-messages.ts";
import { describeMutants } from "../support/mutants.ts";
import { memory, polled, tcp } from "../support/transports.ts";

const runner = { describe, it };

transportSuite(memory(), { name: "the testkit's own MemoryTransport", runner });
transportSuite(tcp(), { name: "a transport of streams on node:net", runner });
transportSuite(polled(), { name: "a polled transport", isOrdered: true, runner });

describeMutants(
  transportCases,
  { patienceMs: 300 },
  { ...ofMessages, ...ofConnections, ...ofLife, ...ofPolled },
);
