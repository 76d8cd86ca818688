/** Sockets that close without having sent anything: on Deno that once waited for ever. */
import { AddressTable, TransportRouter } from "@kad/core";
import { udp } from "@kad/transport-udp";

const listen = "udp://127.0.0.1:0";
const transports = [udp({ listen, recvBufferBytes: 262_144, sendBufferBytes: 262_144 })];
const router = new TransportRouter({ addresses: new AddressTable(), transports });
await router.open({
  deliver: () => undefined,
  wake: () => undefined,
  report: (error) => {
    throw error;
  },
});
await router.close();
console.log("done");
