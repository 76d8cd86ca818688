import { createNode } from "../../src/index.ts";

const listen = "udp://127.0.0.1:0";
const first = await createNode({ listen });
const second = await createNode({ listen, bootstrap: first.addresses });

await first.set("greeting", "hello"); // signed by the first node: nobody else can change it
console.log(await second.getText("greeting", { owner: first.publicKey })); // hello

await second.close();
await first.close();
