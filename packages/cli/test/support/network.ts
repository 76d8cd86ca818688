import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { NodeId } from "@kad/core";
import { type CreateNodeOptions, createNode, type DhtNode } from "@kad/dht";
import { vi } from "vitest";

/** Nodes on loopback that have all joined through the first. */
export async function openNetwork(
  size: number,
  options: Partial<CreateNodeOptions> = {},
): Promise<TestNetwork> {
  const network = new TestNetwork(options);
  for (let i = 0; i < size; i++) await network.add();
  return network;
}

export class TestNetwork {
  readonly nodes: DhtNode[] = [];
  readonly #sockets: Socket[] = [];
  readonly #options: Partial<CreateNodeOptions>;

  constructor(options: Partial<CreateNodeOptions> = {}) {
    this.#options = options;
  }

  async add(): Promise<DhtNode> {
    const bootstrap = this.nodes.length === 0 ? [] : [this.url];
    const listen = "udp://127.0.0.1:0";
    const node = await createNode({ listen, bootstrap, ...this.#options });
    this.nodes.push(node);
    return node;
  }

  /** Until these know one another: those who have only just joined look their neighbours up again and again. */
  async acquainted(nodes: readonly DhtNode[]): Promise<void> {
    const isKnown = (node: DhtNode, other: DhtNode) =>
      node === other || node.table.get(other.id) !== undefined;
    await vi.waitUntil(() => nodes.every((node) => nodes.every((other) => isKnown(node, other))), {
      timeout: 30_000,
    });
  }

  /** Until a walk finds every node: a table that has 20 contacts no longer looks for the few that it lacks. */
  async allFound(target: NodeId): Promise<void> {
    const [first] = this.nodes as [DhtNode];
    const others = this.nodes.length - 1;
    const findAll = async () => (await first.findNode(target, { results: 255 })).contacts.length === others;
    await vi.waitUntil(findAll, { timeout: 30_000 });
  }

  get url(): string {
    return this.nodes[0]?.addresses[0] as string;
  }

  /** The address of a socket that never answers. */
  async silentUrl(): Promise<string> {
    const socket = await bound(0);
    this.#sockets.push(socket);
    return `udp://127.0.0.1:${socket.address().port}`;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.splice(0).map((node) => node.close()));
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}

/** A UDP socket on a port of loopback; rejects when somebody else has it. */
export async function bound(port: number): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
