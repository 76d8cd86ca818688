/** Makes a golden trace: a node, and strangers who say to it what the scenario wants. */
import {
  type AddressTable,
  KadNode,
  type Message,
  NodeId,
  nativeProtocol,
  type Protocol,
  type Request,
  type RequestMessage,
  type Response,
  toHex,
} from "@kad/core";
import { sha256 } from "../../src/index.ts";
import { MachinePlayer, traceNodeOptions } from "../../src/traces/machine-player.ts";
import { plainOf } from "../../src/traces/plain.ts";
import type { Trace, TraceInput, TraceNode, TraceStep, TraceTransmit } from "../../src/traces/trace.ts";

export interface Stranger {
  readonly id: NodeId;
  readonly url: string;
}

/** Strangers live in different subnets. */
export function stranger(i: number): Stranger {
  return { id: idOf(i), url: `udp://10.0.${i}.7:4000` };
}

export function idOf(i: number): NodeId {
  return NodeId.fromBytes(sha256(Uint8Array.of(i)));
}

/** What the node sent, and what it means. */
export interface Said extends TraceTransmit {
  readonly message: Message;
}

const node: TraceNode = { id: idOf(0).toHex(), mode: "server", randomByte: 0x5a, maxBytes: 1_200 };
const allKinds = 0b111111;

export class Scenario {
  atMs = 1_000;
  readonly steps: TraceStep[] = [];
  readonly addresses: AddressTable;
  readonly #protocol: Protocol;
  readonly #player: MachinePlayer;
  readonly #scratch = new Uint8Array(2_000);
  #lastRequest = 0;

  constructor() {
    const options = traceNodeOptions(node);
    this.addresses = options.addresses;
    this.#protocol = nativeProtocol({ addresses: options.addresses });
    this.#player = new MachinePlayer(new KadNode(options), options.addresses, node.maxBytes);
  }

  trace(description: string): Trace {
    return { format: "kad-trace-1", description, node, steps: this.steps };
  }

  input(input: TraceInput): Said[] {
    const step = this.#player.play(this.atMs, input);
    this.steps.push(step);
    return step.sent.map((sent) => ({ ...sent, message: this.read(sent.hex) }));
  }

  command(command: string, given: Readonly<Record<string, unknown>>): Said[] {
    const plain = plainOf(given) as Readonly<Record<string, unknown>>;
    return this.input({ type: "command", command, arguments: plain });
  }

  /** Time passes until the next deadline, and it is handled. */
  timeout(): Said[] {
    this.atMs = Math.max(this.atMs, this.steps.at(-1)?.deadlineMs ?? this.atMs);
    return this.input({ type: "timeout" });
  }

  /** A stranger says bytes. */
  hear(from: Stranger, hex: string): Said[] {
    return this.input({ type: "message", from: from.url, hex });
  }

  /** A stranger asks; `client`: one that is only answered. */
  ask(from: Stranger, body: Request, more: Partial<RequestMessage> = {}): Said[] {
    const requestId = { high: 0xabc, low: ++this.#lastRequest };
    const envelope = { requestId, sender: from.id, client: false, addresses: [], want: allKinds };
    return this.hear(from, this.write({ kind: "request", ...envelope, body, ...more }));
  }

  /** A stranger answers what the node asked it. */
  answer(from: Stranger, request: Said | undefined, body: Response): Said[] {
    if (request?.message.kind !== "request") throw new Error("there is no such request");
    const { requestId } = request.message;
    const envelope = { requestId, sender: from.id, client: false, addresses: [] };
    return this.hear(from, this.write({ kind: "response", ...envelope, body }));
  }

  contact({ id, url }: Stranger) {
    return { id, addresses: [this.addresses.parse(url)] };
  }

  write(message: Message): string {
    const length = this.#protocol.encode(message, this.#scratch, this.#scratch.length, true) ?? 0;
    return toHex(this.#scratch.subarray(0, length));
  }

  read(hex: string): Message {
    const message = this.#protocol.decode(
      Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
    );
    if (message.kind === "malformed")
      throw new Error(`the node wrote what nobody can read: ${message.reason}`);
    return message;
  }
}
