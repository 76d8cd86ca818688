/**
 * One terminal: a node that greets and is greeted, until it is stopped. With `--network-key FILE` it is of a private network;
 * the first one makes the file.
 *
 *     npm run terminal -w examples/private-network -- NAME --identity FILE [--network-key FILE] [--bootstrap URL]
 */
import { parseArgs } from "node:util";
import {
  BootstrapFailed,
  createNetworkKey,
  createNode,
  type DhtNode,
  loadNetworkKey,
  loadOrCreateIdentity,
  type NetworkKey,
  saveNetworkKey,
} from "@kad/dht";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    identity: { type: "string" },
    "network-key": { type: "string" },
    bootstrap: { type: "string" },
    timeout: { type: "string", default: "3000" },
  },
});
const [name] = positionals;
if (name === undefined || values.identity === undefined)
  throw new Error("usage: terminal NAME --identity FILE [--network-key FILE] [--bootstrap URL]");

/** The first terminal has nobody to join, and makes what the others are given. */
async function keyOfNetwork(path: string | undefined): Promise<NetworkKey | undefined> {
  if (path === undefined) return undefined;
  if (values.bootstrap === undefined) await saveNetworkKey(path, await createNetworkKey());
  return await loadNetworkKey(path);
}

const greeting = "example/greeting";

function greetWhoever(node: DhtNode): void {
  node.handle(greeting, ({ body, from }) => {
    const said = new TextDecoder().decode(body);
    console.log(`${name}: ${said} (proven: ${from.peer?.toHex().substring(0, 8)})`);
    process.send?.({ type: "greeted", by: from.peer?.toHex(), said });
    return `hello, this is ${name}`;
  });
}

const networkKey = await keyOfNetwork(values["network-key"]);
const bootstrap = values.bootstrap === undefined ? [] : [values.bootstrap];
try {
  const node = await createNode({
    listen: "udp://127.0.0.1:0",
    identity: await loadOrCreateIdentity(values.identity),
    ...(networkKey !== undefined && { networkKey }),
    bootstrap,
    bootstrapTimeoutMs: Number(values.timeout),
  });
  for (const signal of ["SIGINT", "SIGTERM", "disconnect"] as const)
    process.once(signal, () => void node.close());
  process.channel?.unref();
  greetWhoever(node);
  console.log(`${name}: node ${node.id.toHex().substring(0, 8)} at ${node.addresses[0]}`);
  process.send?.({ type: "listening", id: node.id.toHex(), address: node.addresses[0] });
  if (values.bootstrap !== undefined) {
    const reply = new TextDecoder().decode(await node.send(values.bootstrap, greeting, `hello from ${name}`));
    console.log(`${name}: heard "${reply}"`);
    process.send?.({ type: "heard", reply });
  }
} catch (error) {
  if (!(error instanceof BootstrapFailed)) throw error;
  console.log(`${name}: nobody is there, for all that I can tell. ${error.hint}`);
  process.send?.({ type: "alone" });
  process.exitCode = 4;
}
