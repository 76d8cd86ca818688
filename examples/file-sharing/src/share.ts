/**
 * Shares a file until it is stopped: announces that it has it, and answers who asks for pieces.
 *
 *     npm run share -w examples/file-sharing -- FILE --bootstrap udp://127.0.0.1:PORT
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { createNode } from "@kad/dht";
import { addressOf, closeAtEnd } from "./lifetime.ts";
import { type FileFacts, keyOfFile, pieceBytes, protocol, readRequest } from "./protocol.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bootstrap: { type: "string" }, listen: { type: "string", default: "udp://127.0.0.1:0" } },
});
const [path] = positionals;
if (path === undefined || values.bootstrap === undefined)
  throw new Error("usage: share FILE --bootstrap URL");

const bytes = await readFile(path);
const key = keyOfFile(bytes);

const node = await createNode({ listen: values.listen, bootstrap: [values.bootstrap] });
closeAtEnd(node);

// First we can answer, then we say so.
node.handle(protocol, ({ body }) => {
  const request = readRequest(body);
  if (request?.key !== key.toHex()) return undefined; // an empty answer: we do not have that
  return bytes.subarray(request.offset, request.offset + pieceBytes);
});

const facts: FileFacts = { name: basename(path), size: bytes.length };
const { accepted } = await node.announce(key, { meta: JSON.stringify(facts) });
console.log(`share: ${addressOf(node)} has ${facts.name}; nodes that were told: ${accepted}`);
console.log(`share: its key is ${key.toHex()}`);
process.send?.({ address: addressOf(node), key: key.toHex() });
