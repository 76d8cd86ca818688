/**
 * A node inside a page: core in an encrypted channel, the page's event loop and its WebSocket, and promises over the node's
 * queries.
 */

import {
  AddressTable,
  type Commands,
  type Contact,
  immutableRecord,
  KadNode,
  NodeId,
  type QueryFinished,
  type QueryId,
} from "@kad/core";
import {
  Credentials,
  MutableRecords,
  nobleProvider,
  SeedIdentity,
  SignedProviders,
  secure,
  secureStreams,
  systemRandom,
} from "@kad/crypto";
import { type RunningNode, runNode } from "@kad/loop-browser";
import { webSocket } from "@kad/transport-websocket/browser";

const provider = nobleProvider();
const sha256 = (bytes: Uint8Array): Uint8Array => provider.sha256(bytes);

export class PageNode {
  readonly #machine: Commands;
  readonly #addresses: AddressTable;
  readonly #running: RunningNode;
  readonly #ends: Map<QueryId, (end: QueryFinished) => void>;

  private constructor(
    machine: Commands,
    addresses: AddressTable,
    running: RunningNode,
    ends: Map<QueryId, (end: QueryFinished) => void>,
  ) {
    this.#machine = machine;
    this.#addresses = addresses;
    this.#running = running;
    this.#ends = ends;
  }

  static async start(): Promise<PageNode> {
    const addresses = new AddressTable();
    const nowMs = performance.now();
    const identity = SeedIdentity.generate(provider, systemRandom); // somebody new each time the page is opened
    const credentials = new Credentials({
      provider,
      identity,
      keys: systemRandom,
      nowMs,
      unixMs: Date.now(),
    });
    const { id, network } = credentials;
    const node = new KadNode({
      id, // the hash of the identity's public key
      random: systemRandom,
      sha256,
      addresses,
      mode: "client",
      padRequests: false, // the channel proves addresses
      validators: new MutableRecords({ provider, network }).validators, // as the nodes of @kad/dht have them
      providerValidator: new SignedProviders({ provider, network, addresses }).validator,
    });
    const machine = secure(node, secureStreams({ credentials, addresses, nowMs }));
    const ends = new Map<QueryId, (end: QueryFinished) => void>();
    const running = await runNode({
      machine,
      addresses,
      transports: [webSocket()],
      onEvent(event) {
        if (event.type !== "queryFinished") return;
        ends.get(event.query)?.(event);
        ends.delete(event.query);
      },
    });
    return new PageNode(machine, addresses, running, ends);
  }

  get id(): string {
    return this.#machine.id.toHex();
  }

  get contacts(): number {
    return this.#machine.table.size;
  }

  /** Joins through a node that listens at a `ws://` or `wss://` URL, and says who that is. */
  async join(url: string): Promise<Contact> {
    const seed = { addresses: [this.#addresses.parse(url)] };
    const { result } = await this.#query((nowMs) => this.#machine.ping(nowMs, seed));
    if (result.type !== "pong" || result.contact === undefined) throw new Error(`${url} does not answer`);
    const { contact } = result;
    await this.#query((nowMs) => this.#machine.bootstrap(nowMs, [contact]));
    return contact;
  }

  /** Stores a value on others, and returns its key. */
  async put(text: string): Promise<string> {
    const record = immutableRecord(sha256, new TextEncoder().encode(text));
    const { result } = await this.#query((nowMs) => this.#machine.put(nowMs, record, { keep: false }));
    if (result.type !== "stored" || result.accepted === 0) throw new Error("nobody has taken it");
    return record.key.toHex();
  }

  /** `undefined`: nobody has it. */
  async get(key: string): Promise<string | undefined> {
    const { result } = await this.#query((nowMs) => this.#machine.get(nowMs, NodeId.fromHex(key)));
    const body = result.type === "value" ? result.record?.body : undefined;
    return body && new TextDecoder().decode(body);
  }

  /** A message, and its reply; `undefined` where none came. */
  async ask(to: Contact, protocol: string, body: Uint8Array): Promise<Uint8Array | undefined> {
    const { result } = await this.#query((nowMs) => this.#machine.send(nowMs, to, protocol, body));
    return result.type === "reply" ? result.body : undefined;
  }

  #query(begin: (nowMs: number) => QueryId): Promise<QueryFinished> {
    return new Promise((resolve) => {
      this.#running.driver.run((nowMs) => this.#ends.set(begin(nowMs), resolve));
    });
  }
}
