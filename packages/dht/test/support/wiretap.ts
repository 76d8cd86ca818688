/** Somebody on the path between a node and those who dial it: passes everything on, and keeps it. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket as Stream } from "node:net";

export interface Wiretap {
  /** To be dialled in place of the node's own. */
  readonly url: string;
  /** How many have gone through. */
  bytes(): number;
  /** Whether these were among them, in one piece. */
  saw(bytes: Uint8Array): boolean;
  close(): Promise<void>;
}

export async function openWiretap(url: string): Promise<Wiretap> {
  return url.startsWith("udp:") ? await tapDatagrams(url) : await tapStream(url);
}

class Kept {
  readonly #pieces: Uint8Array[] = [];

  add(piece: Uint8Array): void {
    this.#pieces.push(Uint8Array.from(piece));
  }

  bytes(): number {
    return this.#pieces.reduce((sum, { length }) => sum + length, 0);
  }

  saw(bytes: Uint8Array): boolean {
    return Buffer.concat(this.#pieces).includes(Buffer.from(bytes));
  }
}

async function tapDatagrams(url: string): Promise<Wiretap> {
  const { port } = new URL(url.replace("udp:", "http:"));
  const kept = new Kept();
  const outer = createSocket("udp4");
  const inner = new Map<number, Socket>();
  outer.on("message", (bytes: Buffer, from: RemoteInfo) => {
    kept.add(bytes);
    innerOf(from.port).send(bytes, Number(port), "127.0.0.1");
  });
  outer.bind(0, "127.0.0.1");
  await once(outer, "listening");

  function innerOf(client: number): Socket {
    const known = inner.get(client);
    if (known !== undefined) return known;
    const socket = createSocket("udp4");
    socket.on("message", (bytes: Buffer) => {
      kept.add(bytes);
      outer.send(bytes, client, "127.0.0.1");
    });
    inner.set(client, socket);
    return socket;
  }

  return {
    url: `udp://127.0.0.1:${outer.address().port}`,
    bytes: () => kept.bytes(),
    saw: (bytes) => kept.saw(bytes),
    close: async () => {
      for (const socket of [outer, ...inner.values()]) socket.close();
    },
  };
}

async function tapStream(url: string): Promise<Wiretap> {
  const target = new URL(url.replace(/^[a-z]+:/, "http:"));
  const kept = new Kept();
  const streams: Stream[] = [];
  const server = createServer((client) => {
    const node = connect(Number(target.port), "127.0.0.1");
    streams.push(client, node);
    for (const [from, to] of [
      [client, node],
      [node, client],
    ] as const) {
      from.on("data", (bytes: Buffer) => {
        kept.add(bytes);
        to.write(bytes);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const [scheme = ""] = url.split(":");
  return {
    url: `${scheme}://127.0.0.1:${port}${scheme === "tcp" ? "" : target.pathname}`,
    bytes: () => kept.bytes(),
    saw: (bytes) => kept.saw(bytes),
    close: async () => {
      for (const stream of streams) stream.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
