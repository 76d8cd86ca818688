import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Bytes of both directions after which a connection breaks, at most. */
const maxLifeBytes = 40_000;

/**
 * Stands before a node on TCP or WebSocket, and while it `breaks`, resets each connection after some bytes: mostly in the
 * middle of a message.
 */
export class ResettingProxy {
  breaks = false;
  /** Connections that it has reset. */
  resets = 0;
  /** Of the node behind it. */
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #random: number;

  private constructor(server: Server, port: number, seed: number) {
    this.#server = server;
    this.port = port;
    this.#random = seed;
    server.on("connection", (near) => this.#join(near, connect(port, "127.0.0.1")));
  }

  static async open(seed: number): Promise<ResettingProxy> {
    const [server, taken] = [createServer({ noDelay: true }), createServer()];
    for (const one of [server, taken]) await once(one.listen(0, "127.0.0.1"), "listening");
    const { port } = taken.address() as AddressInfo;
    await once(taken.close(), "close");
    return new ResettingProxy(server, port, seed);
  }

  /** Where it listens itself. */
  get ownPort(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sockets that are open, two for each connection. */
  get sockets(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server.close(), "close");
  }

  #join(near: Socket, far: Socket): void {
    let leftBytes = this.#nextLife();
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (chunk) => {
        to.write(this.breaks ? chunk.subarray(0, leftBytes) : chunk);
        if (!this.breaks) return;
        leftBytes -= chunk.length;
        if (leftBytes > 0 || from.destroyed) return;
        this.resets++;
        for (const socket of [near, far]) socket.resetAndDestroy();
      });
    }
  }

  /** Park and Miller's generator: the same lives in every run. */
  #nextLife(): number {
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    return this.#random % maxLifeBytes;
  }
}
