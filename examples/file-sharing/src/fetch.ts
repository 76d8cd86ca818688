/**
 * Fetches a file by its key: finds who has it, asks one of them for the pieces, and the next when that one fails.
 *
 *     npm run fetch -w examples/file-sharing -- KEY OUTPUT --bootstrap udp://127.0.0.1:PORT
 */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createNode, type DhtNode, type Provider, parseKey } from "@kad/dht";
import { type FileKey, keyOfFile, pieceBytes, protocol, readFacts, writeRequest } from "./protocol.ts";

/** A provider that has not answered by then is passed over. On this machine an answer takes less than a millisecond. */
const answerTimeoutMs = 500;
/** Times that all providers are asked: one that was only slow gets another chance. */
const rounds = 3;
/** Pieces between two reports of how far we are. */
const reportEvery = 16;

/** What has arrived: the first `done` bytes. */
interface Arrived {
  readonly bytes: Uint8Array;
  done: number;
}

async function download(node: DhtNode, key: FileKey): Promise<Uint8Array> {
  let arrived: Arrived = { bytes: new Uint8Array(0), done: 0 };
  for (let round = 1; round <= rounds; round++) {
    for await (const provider of node.findProviders(key)) {
      const facts = readFacts(provider.meta);
      if (facts === undefined) continue;
      const { name, size } = facts;
      console.log(`fetch: ${nameOf(provider)} has ${name}, ${size} bytes`);
      if (arrived.bytes.length !== size) arrived = { bytes: new Uint8Array(size), done: 0 };
      try {
        await takePieces(node, key, provider, arrived);
      } catch (error) {
        console.log(`fetch: ${nameOf(provider)} failed at byte ${arrived.done}: ${(error as Error).message}`);
        continue; // the next one goes on from here
      }
      if (keyOfFile(arrived.bytes).equals(key)) return arrived.bytes;
      console.log("fetch: the hash is wrong, somebody lied; all over again");
      arrived = { bytes: new Uint8Array(0), done: 0 };
    }
  }
  throw new Error(`no provider has given us all of ${key.toHex()}`);
}

/**
 * One piece after the other. Several at once would be faster; then they arrive in any order.
 * @throws SendFailed where there is no answer, and an error where the answer is not what was promised
 */
async function takePieces(node: DhtNode, key: FileKey, provider: Provider, arrived: Arrived): Promise<void> {
  const { bytes } = arrived;
  for (let count = 0; arrived.done < bytes.length; count++) {
    if (count % reportEvery === 0) await report(provider, arrived);
    const request = writeRequest(key, arrived.done);
    const piece = await node.send(provider.contact, protocol, request, { timeoutMs: answerTimeoutMs });
    const length = Math.min(pieceBytes, bytes.length - arrived.done);
    if (piece.length !== length) throw new Error(`a piece of ${piece.length} bytes instead of ${length}`);
    bytes.set(piece, arrived.done);
    arrived.done += length;
  }
}

/** Tells the program that started us how far we are, and goes on when it has taken note. Without one, nothing to do. */
async function report(provider: Provider, { bytes, done }: Arrived): Promise<void> {
  if (process.send === undefined) return;
  process.send({ from: nameOf(provider), done, size: bytes.length });
  await once(process, "message");
}

/** Where it is: what people can compare with what `share` has printed. */
function nameOf({ contact }: Provider): string {
  return contact.addresses.map(({ key }) => key).join(", ");
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bootstrap: { type: "string" } },
});
const [key, output] = positionals;
if (key === undefined || output === undefined || values.bootstrap === undefined)
  throw new Error("usage: fetch KEY OUTPUT --bootstrap URL");

// No `listen`: a client, which asks others and serves nobody.
const node = await createNode({ bootstrap: [values.bootstrap] });
try {
  await writeFile(output, await download(node, parseKey(key)));
  console.log(`fetch: the hash is right; it is in ${output}`);
} finally {
  await node.close();
}
