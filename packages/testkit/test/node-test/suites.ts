/** Run by Node's own test runner, from test/runners.test.ts: three suites, one of them with a skipped case. */
import { describe, it } from "node:test";
import { KadNode, MemoryRecordStore } from "@kad/core";
import { MemoryNetwork, machineSuite, recordStoreSuite, transportSuite } from "../../src/index.ts";

const runner = { describe, it };

recordStoreSuite((caps) => new MemoryRecordStore(caps), {
  runner,
  skip: { "deletes once": "so that the report has a reason to show" },
});

machineSuite((options) => new KadNode(options), { runner });

transportSuite(
  () => {
    const network = new MemoryNetwork();
    return {
      transport: () => network.transport("udp://10.0.0.1:0"),
      run: (isDone, forMs) => network.run(isDone, forMs),
    };
  },
  { runner },
);

const { KAD_FAIL } = process.env;
if (KAD_FAIL === "1") {
  recordStoreSuite(() => Object.assign(new MemoryRecordStore(), { get: () => undefined }), {
    runner,
    name: "a store that finds nothing",
  });
}
