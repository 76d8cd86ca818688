/**
 * The first node of a network: it has nobody to join, and others join through it.
 *
 *     npm run bootstrap -w examples/file-sharing
 */
import { createNode } from "@kad/dht";
import { addressOf, closeAtEnd } from "./lifetime.ts";

const node = await createNode({ listen: "udp://127.0.0.1:0" });
closeAtEnd(node);

const address = addressOf(node);
console.log(`bootstrap: others join at ${address}`);
process.send?.({ address });
