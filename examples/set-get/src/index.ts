/**
 * A value under a name: five nodes on UDP sockets of this machine, one writes, another reads.
 *
 * `set` writes an *open* record: anyone may overwrite it, the larger sequence number wins. What must not be changed by
 * others goes through `put`, under a key that is the hash of the value.
 */
import assert from "node:assert/strict";
import { createNode } from "@kad/dht";

// Plain messages must be asked for: encryption is not there yet. Port 0 is any that is free.
const options = { listen: "udp://127.0.0.1:0", security: "none" } as const;

const first = await createNode(options);
const others = await Promise.all(
  Array.from({ length: 4 }, () => createNode({ ...options, bootstrap: first.addresses })),
);
const [writer = first, reader = first] = others;

const { accepted, asked } = await writer.set("greeting", "hello");
console.log(`set: ${accepted} of ${asked} nodes took it`);
const { stats, end } = await reader.get("greeting");
console.log(`get: "${await reader.getText("greeting")}", ${end} after ${stats.requests} requests`);
assert.equal(await reader.getText("greeting"), "hello");

await reader.set("greeting", "good morning"); // the newer one replaces the older
assert.equal(await first.getText("greeting"), "good morning");

const { key } = await writer.put("a value that proves itself");
console.log(`put: under ${key.toHex()}`);
assert.equal(await reader.getText(key), "a value that proves itself");

const nobodyHasIt = await reader.get("another name");
assert.equal(nobodyHasIt.value, undefined);
assert.equal(nobodyHasIt.end, "converged"); // the closest nodes have answered: there is no such record

await Promise.all([first, ...others].map((node) => node.close()));
