/**
 * One node and the strangers that it meets: a test says what they say, and reads what the node answers and asks.
 *
 * Every borrowed buffer is filled with 0xAA once the call that borrowed it has returned, in all tests that use this.
 */
import {
  type Address,
  AddressTable,
  type InstantMs,
  KadNode,
  MemoryRecordStore,
  type Message,
  type NodeEvent,
  NodeId,
  type NodeOptions,
  nativeProtocol,
  type Path,
  type Protocol,
  type Request,
  type RequestId,
  type RequestMessage,
  type Response,
  type ResponseMessage,
  type Transmit,
} from "../src/index.ts";
import { seededRandom, sha256 } from "./pair.ts";

export interface Stranger {
  readonly id: NodeId;
  readonly path: Path;
}

/** What the node has sent, read as its receiver reads it. */
export interface Sent {
  readonly transmit: Transmit;
  readonly bytes: Uint8Array;
  readonly message: Message;
}

export interface SaidRequest {
  readonly client?: boolean;
  readonly want?: number;
  readonly declared?: readonly Address[];
  readonly requestId?: RequestId;
  readonly padded?: boolean;
}

const allKinds = 0b111111;

export class Stage {
  nowMs: InstantMs = 1_000;
  readonly addresses: AddressTable = new AddressTable();
  readonly protocol: Protocol;
  readonly node: KadNode;
  readonly store: MemoryRecordStore = new MemoryRecordStore();
  readonly events: NodeEvent[] = [];
  readonly sent: Sent[] = [];
  /** Those who answer by themselves, while time passes: they know nobody, and take every record. By address. */
  readonly live: Map<string, Stranger> = new Map();
  readonly #into: Uint8Array;
  readonly #scratch = new Uint8Array(70_000);
  #lastRequest = 0;

  constructor(options: Partial<NodeOptions> = {}, scratchBytes = 1_200) {
    this.addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
    this.addresses.setLink("tcp4", { link: 2, maxBytes: 2 ** 20 });
    this.#into = new Uint8Array(scratchBytes);
    const idBytes = options.protocol?.idBytes ?? 32;
    this.protocol = nativeProtocol({ addresses: this.addresses, idBytes });
    this.node = new KadNode({
      id: numbered(0, this.protocol.idBytes),
      random: seededRandom(7),
      sha256,
      addresses: this.addresses,
      store: this.store,
      ...options,
    });
  }

  /** Strangers live in different subnets, at a UDP address each. */
  stranger(i: number, url = `udp://10.${i >> 8}.${i & 255}.7:4000`, path: Partial<Path> = {}): Stranger {
    const remote = this.addresses.parse(url);
    return { id: numbered(i, this.protocol.idBytes), path: { remote, dialable: true, ...path } };
  }

  /** Bytes arrive, in a buffer that is overwritten right after. */
  hear(path: Path, bytes: Uint8Array): void {
    const borrowed = Uint8Array.from(bytes);
    this.node.handleNetworkEvent(this.nowMs, { type: "message", from: path, bytes: borrowed });
    borrowed.fill(0xaa);
  }

  write(message: Message, padded = false): Uint8Array {
    const length = this.protocol.encode(message, this.#scratch, this.#scratch.length, padded);
    if (length === undefined) throw new Error("the message cannot be written");
    return Uint8Array.from(this.#scratch.subarray(0, length));
  }

  requestMessage(from: Stranger, body: Request, said: SaidRequest = {}): RequestMessage {
    const requestId = said.requestId ?? { high: 0xabc, low: ++this.#lastRequest };
    const { client = false, want = allKinds, declared = [] } = said;
    return { kind: "request", requestId, sender: from.id, client, addresses: declared, want, body };
  }

  /** A stranger asks; returns the id of its request and how many bytes it sent. */
  ask(from: Stranger, body: Request, said: SaidRequest = {}): { requestId: RequestId; length: number } {
    const message = this.requestMessage(from, body, said);
    const bytes = this.write(message, said.padded ?? true);
    this.hear(from.path, bytes);
    return { requestId: message.requestId, length: bytes.length };
  }

  /** A stranger asks, and this is what it is told at once; `undefined`: nothing. */
  answerTo(from: Stranger, body: Request, said: SaidRequest = {}): Response | undefined {
    const { requestId } = this.ask(from, body, said);
    const found = this.poll().find(
      ({ transmit, message }) =>
        transmit.tag === 0 && message.requestId.low === requestId.low && message.kind === "response",
    );
    return found === undefined ? undefined : (found.message as ResponseMessage).body;
  }

  /** A stranger answers a request of the node's. */
  reply(from: Stranger, request: Sent, body: Response, changes: Partial<ResponseMessage> = {}): void {
    const message: ResponseMessage = {
      kind: "response",
      requestId: request.message.requestId,
      sender: from.id,
      client: false,
      addresses: [],
      body,
      ...changes,
    };
    this.hear(from.path, this.write(message));
  }

  /** Everything that the node wants to send now, and the events into {@link events}. */
  poll(): Sent[] {
    const polled: Sent[] = [];
    for (;;) {
      const transmit = this.node.pollTransmit(this.nowMs, this.#into);
      if (transmit === undefined) break;
      const bytes = Uint8Array.from(this.#into.subarray(0, transmit.length));
      this.#into.fill(0xaa);
      const message = this.protocol.decode(bytes);
      if (message.kind === "malformed")
        throw new Error(`the node wrote what nobody can read: ${message.reason}`);
      polled.push({ transmit, bytes, message });
    }
    for (let event = this.node.pollEvent(); event !== undefined; event = this.node.pollEvent())
      this.events.push(event);
    this.sent.push(...polled);
    return polled;
  }

  /** Requests of the node's own that it wants to send now, of one type or of all. */
  requests(type?: Request["type"]): Sent[] {
    return this.poll().filter(
      ({ message }) => message.kind === "request" && (type === undefined || message.body.type === type),
    );
  }

  /** Time passes, each deadline at its instant; what the node then sends is polled and returned. */
  pass(forMs: number): Sent[] {
    const endMs = this.nowMs + forMs;
    const polled = this.#pollAndAnswer();
    for (;;) {
      const atMs = this.node.nextDeadline()?.atMs;
      if (atMs === undefined || atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      this.node.handleTimeout(this.nowMs);
      polled.push(...this.#pollAndAnswer());
    }
    this.nowMs = endMs;
    return polled;
  }

  #pollAndAnswer(): Sent[] {
    const polled: Sent[] = [];
    for (let sent = this.poll(); sent.length > 0; sent = this.poll()) {
      polled.push(...sent);
      for (const request of sent) this.#answerAlone(request);
    }
    return polled;
  }

  #answerAlone(request: Sent): void {
    const { message, transmit } = request;
    const stranger = this.live.get(transmit.path.remote.key);
    if (stranger === undefined || message.kind !== "request") return;
    this.reply(stranger, request, aloneAnswer(message.body));
  }

  /** Contacts that stay alive: strangers 1 to `count`. */
  populate(count: number): Stranger[] {
    return Array.from({ length: count }, (_, i) => {
      const stranger = this.stranger(i + 1);
      this.live.set(stranger.path.remote.key, stranger);
      this.befriend(stranger);
      return stranger;
    });
  }

  /** Makes a stranger a contact, as the node itself would: it is pinged and answers. */
  befriend(stranger: Stranger): void {
    this.node.addContact(this.nowMs, { id: stranger.id, addresses: [stranger.path.remote] });
    const ping = this.requests("ping").find(({ transmit }) => transmit.peer?.equals(stranger.id));
    if (ping === undefined) throw new Error("no ping was sent");
    this.reply(stranger, ping, { type: "pong" });
    this.poll();
  }

  of<T extends NodeEvent["type"]>(type: T): Extract<NodeEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<NodeEvent, { type: T }>[];
  }
}

function aloneAnswer(request: Request): Response {
  if (request.type === "ping") return { type: "pong" };
  if (request.type === "putValue") return { type: "stored" };
  const token = request.type === "findNode" && request.wantToken ? new Uint8Array(8).fill(7) : undefined;
  return { type: "nodes", contacts: [], token };
}

/** An id for each number, spread over the id space; 0 is the node's own. */
export function numbered(i: number, idBytes = 32): NodeId {
  const hash = sha256(Uint8Array.of(i >> 8, i & 255, 1));
  return NodeId.fromBytes(hash, 0, idBytes);
}
