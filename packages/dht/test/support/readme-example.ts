import { createNode } from "../../src/index.ts";

const plain = { listen: "udp://127.0.0.1:0", security: "none" } as const;
const first = await createNode(plain);
const second = await createNode({ ...plain, bootstrap: first.addresses });

await first.set("greeting", "hello");
console.log(await second.getText("greeting")); // hello

await second.close();
await first.close();
