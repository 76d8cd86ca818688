/**
 * The network of a demo: nodes in this process, each on a UDP socket of its own, and nodes in processes of their own.
 */
import { createNode, type DhtNode } from "@kad/dht";
import { JoinWatch, untilAnswered } from "../joining.ts";
import type { Effort } from "../walk.ts";
import { ChildNode } from "./child-node.ts";

export type Member =
  | { readonly type: "local"; readonly id: string; readonly address: string; readonly node: DhtNode }
  | { readonly type: "process"; readonly id: string; readonly address: string; readonly child: ChildNode };

export interface Join {
  readonly member: Member;
  readonly contacts: number | undefined;
  readonly effort: Effort | undefined;
}

export interface DemoNetworkOptions {
  /** In this process, 1 or more. */
  readonly nodes: number;
  readonly processes: number;
  /** How to run `kad` once more. */
  readonly kad: readonly string[];
  /** Each node has room for so many records. */
  readonly records: number;
  readonly signal: AbortSignal;
  readonly onJoin: (join: Join) => void;
  /** A node that is not of the demo has joined. */
  readonly onVisitor: (id: string, address: string) => void;
  readonly onError: (error: unknown) => void;
}

const loopback = "udp://127.0.0.1:0";
/** What a node holds by default. */
const leastRecords = 1_024;
const clientTimeoutMs = 3_000;
/** A record's key, type and such, beside its value of at most 1,000 bytes. */
const maxRecordBytes = 1_100;

export class DemoNetwork {
  readonly #options: DemoNetworkOptions;
  readonly #members: Member[] = [];
  readonly #known = new Set<string>();
  #hasStarted = false;

  constructor(options: DemoNetworkOptions) {
    this.#options = options;
  }

  /** Those that are alive, in the order in which they joined. The first one is everybody's bootstrap node. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** The nodes of this process that are alive. */
  get nodes(): readonly DhtNode[] {
    return this.#members.flatMap((member) => (member.type === "local" ? [member.node] : []));
  }

  /** Where others join. */
  get address(): string {
    return (this.#members[0] as Member).address;
  }

  get #maxRecords(): number {
    return Math.max(leastRecords, this.#options.records);
  }

  /** Resolves when all have joined. The processes start beside the nodes, since each needs a while to run at all. */
  async start(): Promise<void> {
    const { nodes, processes } = this.#options;
    await this.#startNode(undefined);
    const children = Array.from({ length: processes }, () => this.#startProcess(this.address));
    const outcome = Promise.allSettled(children);
    try {
      for (let i = 1; i < nodes; i++) await this.#startNode(this.address);
    } finally {
      await outcome;
    }
    await Promise.all(children);
    this.#hasStarted = true;
  }

  /** As a crash would: nobody is told. */
  async kill(member: Member): Promise<void> {
    this.#members.splice(this.#members.indexOf(member), 1);
    if (member.type === "local") await member.node.close();
    else await member.child.kill();
  }

  /** A node that asks and stores nothing, in nobody's table and among no members; the caller closes it. */
  async openClient(): Promise<DhtNode> {
    const { signal, onError } = this.#options;
    const seeds = [this.address];
    const options = { bootstrap: seeds, bootstrapRequired: false, report: onError, signal };
    const client = await createNode(options);
    try {
      await untilAnswered(client, { seeds, timeoutMs: clientTimeoutMs, signal });
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }

  /** Ends every node and process. */
  async close(): Promise<void> {
    const members = this.#members.splice(0);
    await Promise.all(
      members.map((member) => (member.type === "local" ? member.node.close() : member.child.stop())),
    );
  }

  async #startNode(bootstrap: string | undefined): Promise<void> {
    const { signal, onError } = this.#options;
    const join = new JoinWatch();
    const startedAtMs = performance.now();
    const maxRecords = this.#maxRecords;
    const node = await createNode({
      listen: loopback,
      bootstrap: bootstrap === undefined ? [] : [bootstrap],
      limits: { maxRecords, maxRecordBytes: maxRecords * maxRecordBytes },
      closeTimeoutMs: 0, // it is to look like a crash
      plugins: [join],
      report: onError,
      signal,
    });
    const durationMs = performance.now() - startedAtMs;
    const [address = ""] = node.addresses;
    this.#add({ type: "local", id: node.id.toHex(), address, node }, node.table.size, join, durationMs);
    node.addEventListener("peer:discovery", ({ detail }) => {
      this.#meet(detail.id.toHex(), detail.addresses[0]?.key ?? "");
    });
  }

  async #startProcess(bootstrap: string): Promise<void> {
    const { kad, signal, onJoin } = this.#options;
    const child = await ChildNode.start({ kad, bootstrap, maxRecords: this.#maxRecords, signal });
    const { id, address, join } = child;
    const member: Member = { type: "process", id, address, child };
    this.#known.add(id);
    this.#members.push(member);
    onJoin({ member, ...join });
  }

  #add(member: Member, contacts: number, { stats }: JoinWatch, durationMs: number): void {
    this.#known.add(member.id);
    this.#members.push(member);
    this.#options.onJoin({
      member,
      contacts: stats === undefined ? undefined : contacts,
      effort: stats === undefined ? undefined : { ...stats, durationMs },
    });
  }

  /** While the network starts, a process of ours may be met before it has told us its id. */
  #meet(id: string, address: string): void {
    if (!this.#hasStarted || this.#known.has(id)) return;
    this.#known.add(id);
    this.#options.onVisitor(id, address);
  }
}
