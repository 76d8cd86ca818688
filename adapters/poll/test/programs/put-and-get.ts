/**
 * Five nodes called by hand, on sockets that need no loop, in a process that never returns to Node's: a put and a get with
 * callbacks alone. Nothing that needs Node's loop runs meanwhile.
 */
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import { writeSync } from "node:fs";
import { AddressTable, immutableRecord, KadNode, NodeId, type QueryFinished, type QueryId } from "@kad/core";
import { posixUdp } from "@kad/transport-udp/posix";
import { pollNode } from "../../src/index.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

function start() {
  const ends = new Map<QueryId, QueryFinished>();
  const addresses = new AddressTable();
  const machine = new KadNode({
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    random: { fill: (into) => void randomFillSync(into) },
    sha256,
    addresses,
  });
  const node = pollNode({
    machine,
    addresses,
    transports: [posixUdp({ listen: "udp://127.0.0.1:0" })],
    onEvent: (event) => event.type === "queryFinished" && void ends.set(event.query, event),
  });
  return { machine, addresses, node, ends, url: node.router.localAddresses[0]?.key ?? "none" };
}

let turnsOfNode = 0;
const count = (): void => {
  turnsOfNode++;
};
const nodes = [0, 1, 2, 3, 4].map(start);
const [first, ...others] = nodes as [(typeof nodes)[0], ...typeof nodes];
setImmediate(count);
setTimeout(count, 0);
process.nextTick(count);
queueMicrotask(count);

const idle = new Int32Array(new SharedArrayBuffer(4));

function finish({ ends }: (typeof nodes)[0], query: QueryId): QueryFinished {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    const end = ends.get(query);
    if (end !== undefined) return end;
    assert(performance.now() < untilMs, "no end");
    const sleepMs = Math.min(...nodes.map(({ node }) => node.periodic() ?? 1));
    Atomics.wait(idle, 0, 0, Math.min(sleepMs, 1));
  }
}

for (const other of others) {
  const seeds = [{ addresses: [other.addresses.parse(first.url)] }];
  const query = other.node.driver.run((nowMs) => other.machine.bootstrap(nowMs, seeds));
  assert.equal(finish(other, query).end, "converged");
}
const [writer, reader] = [nodes[1], nodes[4]] as [(typeof nodes)[0], (typeof nodes)[0]];
const record = immutableRecord(sha256, new TextEncoder().encode("a value"));
const put = writer.node.driver.run((nowMs) => writer.machine.put(nowMs, record, { keep: false }));
assert.equal(finish(writer, put).end, "converged");
const get = reader.node.driver.run((nowMs) => reader.machine.get(nowMs, record.key));
const { result } = finish(reader, get);
assert(result.type === "value" && result.record !== undefined);
assert.equal(new TextDecoder().decode(result.record.body), "a value");

for (const { node } of nodes) void node.close();
assert.equal(turnsOfNode, 0);
writeSync(1, "done\n");
process.exit(0);
