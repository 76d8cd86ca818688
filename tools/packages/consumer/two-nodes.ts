/** All that a node does, with packages as installed and no type but those of the language and of browsers. */
import { createNode, NodeClosed } from "@kad/dht";

const plain = { listen: "udp://127.0.0.1:0", security: "none" } as const;

const alice = await createNode(plain);
const bob = await createNode({ ...plain, bootstrap: alice.addresses });
const guest = await createNode({ security: "none", bootstrap: alice.addresses.map(withHostName) });
let ended = 0;
bob.addEventListener("query:end", () => ended++);

const { key } = await bob.put("a value");
expect("a record", await alice.getText(key), "a value");
await bob.set("name", "another");
expect("a record under a name", await guest.getText("name"), "another");
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

await reject("a port in use", createNode({ ...plain, listen: alice.addresses }), "addressInUse");
await reject("nobody's protocol", bob.send(alice.addresses[0] ?? "", "nobody's", ""), "sendFailed");
const nowhere = { ...plain, bootstrap: ["udp://no-such-host.invalid:1"], bootstrapTimeoutMs: 500 };
await reject("a host that is not there", createNode(nowhere), "bootstrapFailed");

await Promise.all([alice, bob, guest].map((node) => node.close()));
await reject("a closed node", bob.get("name"), new NodeClosed().code);
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
