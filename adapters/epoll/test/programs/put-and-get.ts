/**
 * Five nodes in one epoll set, in a loop that never returns to Node's: a put and a get with callbacks alone. Nothing that
 * needs Node's loop runs meanwhile: no microtask, no immediate, no timer; of an async callback only what stands before its first await.
 */
import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { immutableRecord, type QueryFinished, type QueryId } from "@kad/core";
import { epollCalls } from "../../src/system-calls.ts";
import { nodeOptions, seedOf, start, type TestNode } from "../epoll-nodes.ts";

const { native, epollCreate1, epollWait, close } = epollCalls();
const events = native.allocate(64, "test");
const set = native.checked("epoll_create1", epollCreate1(0));

let turnsOfNode = 0;
const count = (): void => {
  turnsOfNode++;
};
const nodes = [0, 1, 2, 3, 4].map(() => start());
for (const [index, { node }] of nodes.entries()) node.attach(set, index);
const [first, ...others] = nodes as [TestNode, ...TestNode[]];

const afterAwait: string[] = [];
const beforeAwait: string[] = [];
first.node.driver.use({
  protocol: "example/async/1",
  async onMessage() {
    beforeAwait.push("onMessage");
    await Promise.resolve();
    afterAwait.push("onMessage");
  },
});

function finish(node: TestNode, query: QueryId): QueryFinished {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    const end = node.ends.get(query);
    if (end !== undefined) return end;
    assert(performance.now() < untilMs, "no end");
    if (epollWait(set, events.address, 1, 1_000) !== 1) continue;
    nodes[events.u32[process.arch === "x64" ? 1 : 2] as number]?.node.processEvents();
  }
}

setImmediate(count);
setTimeout(count, 0);
process.nextTick(count);
queueMicrotask(count);

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

const message = reader.node.driver.run((nowMs) =>
  reader.machine.send(nowMs, seedOf(first, reader), "example/async/1", new Uint8Array(1), { timeoutMs: 500 }),
);
assert.equal(finish(reader, message).end, "timedOut"); // an async handler acknowledges in a microtask, which never comes
assert.deepEqual([beforeAwait, afterAwait], [["onMessage"], []]);

for (const { node } of nodes) node.close();
close(set);
events.release();
assert.equal(turnsOfNode, 0);
writeSync(1, "done\n");
process.exit(0);
