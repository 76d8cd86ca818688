/**
 * Five nodes in one libuv loop, in a process that never returns to Node's: a put and a get with callbacks alone, in the three
 * modes of uv_run. Nothing that needs Node's loop runs meanwhile.
 */
import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { immutableRecord, type QueryFinished, type QueryId, type Transport } from "@kad/core";
import { posixUdp } from "@kad/transport-udp/posix";
import { openUv, type UvRunMode, uvUdp } from "../../src/index.ts";
import { nodeOptions, seedOf, start, type TestNode } from "../uv-nodes.ts";

const listen = "udp://127.0.0.1:0";
const transports: Readonly<Record<string, () => Transport>> = {
  uvUdp: () => uvUdp({ listen }),
  posixUdp: () => posixUdp({ listen }),
};
const [transport = "uvUdp", mode = "default"] = process.argv.slice(2);

const uv = openUv();
const loop = uv.uv_loop_init();
const nodes = [0, 1, 2, 3, 4].map(() =>
  start(uv, {
    loop,
    transports: [(transports[transport] as () => Transport)()],
    onEvent: ({ type }) => type === "queryFinished" && uv.uv_stop(loop),
  }),
);
const [first, ...others] = nodes as [TestNode, ...TestNode[]];

let turnsOfNode = 0;
const count = (): void => {
  turnsOfNode++;
};
setImmediate(count);
setTimeout(count, 0);
process.nextTick(count);
queueMicrotask(count);

function finish(node: TestNode, query: QueryId): QueryFinished {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    const end = node.ends.get(query);
    if (end !== undefined) return end;
    assert(performance.now() < untilMs, "no end");
    uv.uv_run(loop, mode as UvRunMode);
  }
}

for (const node of others) {
  const query = node.node.driver.run((nowMs) => node.machine.bootstrap(nowMs, [seedOf(first, node)]));
  assert.equal(finish(node, query).end, "converged");
}
const [writer, reader] = [nodes[1], nodes[4]] as [TestNode, TestNode];
const record = immutableRecord(nodeOptions(writer.addresses).sha256, new TextEncoder().encode("a value"));
const put = writer.node.driver.run((nowMs) => writer.machine.put(nowMs, record, { keep: false }));
assert.equal(finish(writer, put).end, "converged");
const get = reader.node.driver.run((nowMs) => reader.machine.get(nowMs, record.key));
const { result } = finish(reader, get);
assert(result.type === "value" && result.record !== undefined);
assert.equal(new TextDecoder().decode(result.record.body), "a value");

for (const { node } of nodes) node.close();
for (let i = 0; i < 2; i++) uv.uv_run(loop, "nowait"); // the first one may be stopped: queries have ended
assert.equal(uv.uv_loop_close(loop), 0);
assert.equal(turnsOfNode, 0);
writeSync(1, "done\n");
process.exit(0);
