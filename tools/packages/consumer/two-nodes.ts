/** All that a node does, with packages as installed and no type but those of the language and of browsers. */
import { createNetworkKey, createNode, NodeClosed } from "@kad/dht";

const own = { listen: "udp://127.0.0.1:0" };

const alice = await createNode(own);
const bob = await createNode({ ...own, bootstrap: alice.addresses });
const guest = await createNode({ bootstrap: alice.addresses.map(withHostName) });
let ended = 0;
bob.addEventListener("query:end", () => ended++);

const { key } = await bob.put("a value");
expect("a record", await alice.getText(key), "a value");
await bob.set("name", "another");
const bobs = { owner: bob.publicKey };
expect("a record under a name", await guest.getText("name", bobs), "another");
await alice.set("name", "everybody's", { open: true });
expect("a record under a name for all", await guest.getText("name", { open: true }), "everybody's");
expect("events", ended >= 2, true);

alice.handle("echo", ({ body }) => body);
expect("a message", new TextDecoder().decode(await bob.send(alice.addresses[0] ?? "", "echo", "hi")), "hi");

const announcement = await alice.announce("echoes", { meta: "meta" });
const { providers } = await guest.findProviders("echoes");
expect(
  "providers",
  providers.map((one) => one.id.toHex()),
  [alice.id.toHex()],
);
await announcement.withdraw();

const file = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
const stored = await bob.putFile(file);
let read = 0;
for await (const bytes of guest.getFile(stored.key)) {
  if (bytes.some((byte, at) => byte !== (read + at) % 251)) throw new Error(`the file differs after ${read}`);
  read += bytes.length;
}
expect("a file", read, file.length);

await reject("a port in use", createNode({ ...own, listen: alice.addresses }), "addressInUse");
await reject("nobody's protocol", bob.send(alice.addresses[0] ?? "", "nobody's", ""), "sendFailed");
const nowhere = { ...own, bootstrap: ["udp://no-such-host.invalid:1"], bootstrapTimeoutMs: 500 };
await reject("a host that is not there", createNode(nowhere), "bootstrapFailed");

const networkKey = await createNetworkKey();
const inside = await createNode({ ...own, networkKey });
const outsider = createNode({ bootstrap: inside.addresses, bootstrapTimeoutMs: 500 });
await reject("a private network", outsider, "bootstrapFailed");
const plain = await createNode({ ...own, security: "none" });
const other = await createNode({ security: "none", bootstrap: plain.addresses });
expect("plain text", other.contacts().length, 1);

await Promise.all([alice, bob, guest, inside, plain, other].map((node) => node.close()));
await reject("a closed node", bob.get("name", bobs), new NodeClosed().code);
console.log("done");

function withHostName(address: string): string {
  return address.replace("127.0.0.1", "localhost");
}

function expect(what: string, found: unknown, wanted: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left}, not ${right}`);
}

async function reject(what: string, promise: Promise<unknown>, code: string): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(what, error instanceof Error && "code" in error ? error.code : String(error), code);
}
