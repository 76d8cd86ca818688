/**
 * Run by shortage.test.ts with a low limit of open files: clients in this process knock until no descriptor is left, go
 * away, and one knocks again. Prints what happened as JSON.
 */
import { once } from "node:events";
import { openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { devNull } from "node:os";
import { AddressTable, type Path } from "@kad/core";
import { tcp } from "../src/index.ts";
import { frame } from "./frame.ts";

const addresses = new AddressTable();
const transport = tcp({ listen: "tcp://127.0.0.1:0" });
await transport.open(
  {
    message(from: Path, bytes: Uint8Array) {
      transport.send({ path: from, peer: undefined, length: bytes.length, tag: 0 }, bytes);
      transport.flush();
    },
    deferred() {},
    sent() {},
    sendFailed() {},
    flow() {},
    addressesChanged() {},
    report(error) {
      console.error(error);
    },
  },
  addresses,
);
const { port } = addresses.parse(transport.localAddresses[0]?.key ?? "");
const rests = (): number => transport.stats?.rests ?? 0;
const accepted = (): number => transport.stats?.opened.accepted ?? 0;

/** `undefined`: refused. */
function knock(): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sockets: Socket[] = [];
/** Each client takes two descriptors here: one more is held where the last that is left would be a client's own. */
let held: number | undefined;
while (rests() === 0) {
  const socket = await knock();
  if (socket === undefined) {
    if (held !== undefined) break;
    for (const last of sockets.splice(-2)) last.destroy();
    for (let i = 0; i < 3; i++) await turn();
    held = openSync(devNull, "r");
    continue;
  }
  socket.on("error", () => undefined);
  sockets.push(socket);
  await turn();
}
const refusedByUs = (transport.stats?.refused.noResources ?? 0) > 0;
const rested = rests() > 0;
const first = sockets[0] as Socket;
first.write(frame(new TextEncoder().encode("hello")));
const [echo] = (await once(first, "data")) as [Buffer];
for (const socket of sockets.splice(3)) socket.destroy();
const refusedBySystem = (await knock()) === undefined;
const before = accepted();
let again = await knock();
while (again === undefined) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  again = await knock();
}
await new Promise((resolve) => setTimeout(resolve, 20));
const acceptedAfterwards = accepted() > before;
for (const socket of [...sockets, again]) socket.destroy();
await transport.close();
for (let i = 0; i < 3; i++) await turn();
const handlesLeft = process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP"));
const echoWhileResting = echo.subarray(4).toString();
console.log(
  JSON.stringify({ refusedByUs, rested, echoWhileResting, refusedBySystem, acceptedAfterwards, handlesLeft }),
);
