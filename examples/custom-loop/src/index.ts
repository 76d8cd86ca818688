/**
 * Two players, each with a node in the same game loop. One stores what it has found in the world, the other reads it, and both
 * go on playing meanwhile: the node has its turn in each frame, beside the screen and the keyboard.
 */
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import { AddressTable, immutableRecord, KadNode, NodeId, type QueryFinished, type QueryId } from "@kad/core";
import { udp } from "@kad/transport-udp";
import { Game } from "./game.ts";
import { GameNode } from "./game-node.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

const game = new Game();
let steps = 0;
game.onStep(() => {
  steps++; // physics, animation, …
});

async function joinGame(onEnd: (end: QueryFinished) => void) {
  const addresses = new AddressTable();
  const machine = new KadNode({
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    random: { fill: (into) => void randomFillSync(into) },
    sha256,
    addresses,
  });
  const node = new GameNode(game, {
    machine,
    addresses,
    transports: [udp({ listen: "udp://127.0.0.1:0" })],
    report: (error) => assert.fail(error as Error),
    onEvent: (event) => event.type === "queryFinished" && onEnd(event),
  });
  await node.open();
  return { machine, addresses, node };
}

/** What to do in the frame in which a query ends: no promise, as in the rest of the game. */
const onEnds = new Map<QueryId, (end: QueryFinished) => void>();
const alice = await joinGame(() => undefined);
const bob = await joinGame((end) => onEnds.get(end.query)?.(end));
game.start();

const url = alice.node.router.localAddresses[0]?.key ?? "none";
const record = immutableRecord(sha256, new TextEncoder().encode("a golden key, under the oak"));
const found = new Promise<string>((resolve) => {
  const { driver } = bob.node;
  const { machine } = bob;
  const onRead = ({ result }: QueryFinished): void => {
    if (result.type === "value") resolve(new TextDecoder().decode(result.record?.body));
  };
  const onStored = (): void =>
    void onEnds.set(
      driver.run((nowMs) => machine.get(nowMs, record.key)),
      onRead,
    );
  const onJoined = (): void =>
    void onEnds.set(
      driver.run((nowMs) => machine.put(nowMs, record, { keep: false })),
      onStored,
    );
  const seeds = [{ addresses: [bob.addresses.parse(url)] }];
  onEnds.set(
    driver.run((nowMs) => machine.bootstrap(nowMs, seeds)),
    onJoined,
  );
});

setTimeout(() => assert.fail("nothing was found within 5 s"), 5_000).unref();
const text = await found;
console.log(`bob has read: ${text}`);
console.log(`after ${steps} steps of the game`);
assert.equal(text, "a golden key, under the oak");
assert(steps > 0);

await Promise.all([alice.node.close(), bob.node.close()]);
game.stop();
assert(alice.machine.drained && bob.machine.drained);
