/**
 * A value under a name: five nodes on UDP sockets of this machine, one writes, another reads.
 *
 * `set` signs what it writes: the name is the writer's own, others read it with the writer's public key, and nobody else can
 * change it. With `open: true` it is everybody's. What `put` stores is under a key that is the hash of the value.
 */
import assert from "node:assert/strict";
import { createNode } from "@kad/dht";

const options = { listen: "udp://127.0.0.1:0" } as const; // port 0 is any that is free

const first = await createNode(options);
const others = await Promise.all(
  Array.from({ length: 4 }, () => createNode({ ...options, bootstrap: first.addresses })),
);
const [writer = first, reader = first] = others;
const writers = { owner: writer.publicKey };

const { accepted, asked } = await writer.set("greeting", "hello");
console.log(`set: ${accepted} of ${asked} nodes took it`);
const { stats, end } = await reader.get("greeting", writers);
console.log(`get: "${await reader.getText("greeting", writers)}", ${end} after ${stats.requests} requests`);
assert.equal(await reader.getText("greeting", writers), "hello");

await writer.set("greeting", "good morning"); // the newer one replaces the older
assert.equal(await first.getText("greeting", writers), "good morning");
await reader.set("greeting", "good night"); // the reader's own greeting, and another one
assert.equal(await first.getText("greeting", writers), "good morning");

await writer.set("motto", "first come", { open: true }); // a name that all share
await reader.set("motto", "last to write", { open: true });
assert.equal(await first.getText("motto", { open: true }), "last to write");

const { key } = await writer.put("a value that proves itself");
console.log(`put: under ${key.toHex()}`);
assert.equal(await reader.getText(key), "a value that proves itself");

const nobodyHasIt = await reader.get("another name", writers);
assert.equal(nobodyHasIt.value, undefined);
assert.equal(nobodyHasIt.end, "converged"); // the closest nodes have answered: there is no such record

await Promise.all([first, ...others].map((node) => node.close()));
