/**
 * Two nodes on UDP sockets in Node's event loop, without `@kad/dht`: the core, a transport, a loop, and a plugin on top.
 *
 * The plugin greets every node that it discovers, answers greetings, and goes on greeting on a timer until somebody has
 * answered. It knows neither sockets nor loops: it runs wherever the node runs.
 */
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import {
  AddressTable,
  type ApplicationMessage,
  type Contact,
  KadNode,
  NodeId,
  type Plugin,
  type PluginContext,
  type PluginTimer,
  type QueryFinished,
  type RequestTimeout,
} from "@kad/core";
import { runNode } from "@kad/loop-node";
import { udp } from "@kad/transport-udp";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const protocol = "example/greeting/1";
const repeatMs = 200;

class Greeter implements Plugin {
  readonly protocol = protocol;
  readonly #name: string;
  readonly #onAnswer: (answer: string) => void;
  readonly #met: Contact[] = [];
  #isAnswered = false;
  #node: PluginContext | undefined;

  constructor(name: string, onAnswer: (answer: string) => void) {
    this.#name = name;
    this.#onAnswer = onAnswer;
  }

  onAttach(node: PluginContext): void {
    this.#node = node;
    node.setTimer(repeatMs);
  }

  /** It has answered a request of ours: whoever is named here was there a moment ago. */
  onNodeDiscovered(contact: Contact): void {
    this.#met.push(contact);
    this.#greet(contact);
  }

  /** Our timer, or a request of the node that was never answered. */
  onTimeout(timeout: PluginTimer | RequestTimeout): void {
    if (timeout.type !== "timer" || this.#isAnswered) return;
    for (const contact of this.#met) this.#greet(contact);
    this.#node?.setTimer(repeatMs);
  }

  onMessage({ body, reply }: ApplicationMessage): void {
    this.#node?.reply(reply, encode(`${this.#name} heard "${decode(body)}"`));
  }

  /** All queries of the node end here; only a `send` has a reply. */
  onQueryFinished({ result }: QueryFinished): void {
    if (result.type !== "reply" || result.body === undefined) return;
    this.#isAnswered = true;
    this.#onAnswer(decode(result.body));
  }

  #greet(contact: Contact): void {
    this.#node?.send(contact, protocol, encode(`hello from ${this.#name}`));
  }
}

async function startNode() {
  const addresses = new AddressTable();
  const machine = new KadNode({
    id: NodeId.fromBytes(randomFillSync(new Uint8Array(32))),
    random: { fill: (into) => void randomFillSync(into) },
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
    addresses,
  });
  const transports = [udp({ listen: "udp://127.0.0.1:0" })]; // port 0: any that is free
  return { machine, addresses, ...(await runNode({ machine, transports, addresses })) };
}

const alice = await startNode();
const bob = await startNode();
const answers = Promise.all([
  new Promise<string>((resolve) => alice.driver.use(new Greeter("alice", resolve))),
  new Promise<string>((resolve) => bob.driver.use(new Greeter("bob", resolve))),
]);

const url = alice.router.localAddresses[0]?.key ?? "alice listens nowhere";
console.log(`bob joins through ${url}`);
// Commands go in through the driver: it says what time it is, and sends at once what the command has to say.
bob.driver.run((nowMs) => bob.machine.bootstrap(nowMs, [{ addresses: [bob.addresses.parse(url)] }]));

setTimeout(() => assert.fail("no answer within 5 s"), 5_000).unref();
const [toAlice, toBob] = await answers;
console.log(`alice was told: ${toAlice}`);
console.log(`bob was told:   ${toBob}`);
assert.equal(toAlice, 'bob heard "hello from alice"');
assert.equal(toBob, 'alice heard "hello from bob"');

await Promise.all([alice.close(), bob.close()]);
assert(alice.driver.drained && bob.driver.drained);
