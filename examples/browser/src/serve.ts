/** A network of Node processes' kind, of which one node speaks WebSocket too, and the page that joins it. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createNode, type DhtNode } from "@kad/dht";
import { bundlePage } from "./bundle.ts";
import { ChatRoom, chatProtocol } from "./chat-room.ts";

export interface Served {
  /** Where a page of this name is to be opened. */
  pageUrl(name: string): string;
  /** The nodes on UDP; the first listens for WebSocket too, and is the room. */
  readonly nodes: readonly DhtNode[];
  readonly room: ChatRoom;
  readonly script: string;
  close(): Promise<void>;
}

export async function serve(port = 0): Promise<Served> {
  const script = await bundlePage();
  const html = await readFile(new URL("../index.html", import.meta.url));
  const first = await createNode({ listen: ["udp://127.0.0.1:0", "ws://127.0.0.1:0/kad"] });
  const room = new ChatRoom();
  first.handle(chatProtocol, ({ body }) => room.answer(body));
  const nodes = [first];
  for (let i = 0; i < 4; i++) {
    const bootstrap = [first.addresses[0] as string];
    nodes.push(await createNode({ listen: "udp://127.0.0.1:0", bootstrap }));
  }
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.writeHead(200, { "Content-Type": isScript ? "text/javascript" : "text/html; charset=utf-8" });
    response.end(isScript ? script : html);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: httpPort } = server.address() as { readonly port: number };
  const seed = first.addresses.find((url) => url.startsWith("ws:")) as string;
  return {
    pageUrl: (name) => `http://127.0.0.1:${httpPort}/?name=${name}&seed=${encodeURIComponent(seed)}`,
    nodes,
    room,
    script,
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}
