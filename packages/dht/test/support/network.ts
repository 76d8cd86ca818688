import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import {
  type CreateNodeOptions,
  createNode,
  type DhtNode,
  type DhtNodeEventName,
  type DhtNodeEvents,
} from "../../src/index.ts";

/** What holds whether or not messages are encrypted is tested both ways. */
export type Mode = Pick<CreateNodeOptions, "security" | "closeTimeoutMs">;
export const plain: Mode = { security: "none" };
export const modes: readonly (readonly [string, Mode])[] = [
  ["encrypted", {}],
  ["in plain text", plain],
];

/** A name that anyone may overwrite, in both modes. */
export const anyones = { open: true } as const;

/** What a test opens on loopback, closed together after it. */
export class Loopback {
  readonly #mode: Mode;
  readonly #nodes: DhtNode[] = [];
  readonly #sockets: Socket[] = [];

  constructor(mode: Mode) {
    this.#mode = mode;
  }

  async open(options: Partial<CreateNodeOptions> = {}): Promise<DhtNode> {
    const node = await createNode({ ...this.#mode, listen: "udp://127.0.0.1:0", ...options });
    this.#nodes.push(node);
    return node;
  }

  /** Without `listen`: a client. */
  async openClient(options: Partial<CreateNodeOptions> = {}): Promise<DhtNode> {
    const node = await createNode({ ...this.#mode, ...options });
    this.#nodes.push(node);
    return node;
  }

  /** Nodes that have all joined through the first. */
  async openNetwork(
    size: number,
    options: Partial<CreateNodeOptions> = {},
  ): Promise<[DhtNode, ...DhtNode[]]> {
    const first = await this.open(options);
    const others: DhtNode[] = [];
    for (let i = 1; i < size; i++) others.push(await this.open({ bootstrap: [urlOf(first)], ...options }));
    return [first, ...others];
  }

  /** A socket that never answers. */
  async openSilent(): Promise<string> {
    const socket = createSocket("udp4");
    this.#sockets.push(socket);
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return `udp://127.0.0.1:${socket.address().port}`;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.splice(0).map((node) => node.close()));
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}

/** The address of a port on loopback where nobody listens. */
export async function freeUrl(): Promise<string> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const url = `udp://127.0.0.1:${socket.address().port}`;
  socket.close();
  await once(socket, "close");
  return url;
}

export function urlOf(node: DhtNode): string {
  const [url] = node.addresses;
  if (url === undefined) throw new Error("the node has no address");
  return url;
}

/** The detail of the next event of a type. */
export function next<K extends DhtNodeEventName>(
  node: DhtNode,
  type: K,
): Promise<DhtNodeEvents[K]["detail"]> {
  return new Promise((resolve) => {
    node.addEventListener(type, (event) => resolve(event.detail), { once: true });
  });
}

/** What a promise rejects with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
