/**
 * A node that misbehaves: an honest one inside, which joins, asks and keeps its table, and around it a layer that answers some
 * requests of others in its own way.
 */
import type {
  InstantMs,
  NetworkEvent,
  NodeOptions,
  Path,
  Protocol,
  RequestMessage,
  Response,
  Transmit,
} from "@kad/core";
import { KadNode } from "@kad/core";
import { MachineLayer } from "../machine-layer.ts";
import type { RandomStream } from "../random-stream.ts";
import type { SimHost } from "../sim-host.ts";

/** `honest`: the node inside answers. `nothing`: nobody does. */
export type RogueAnswer =
  | "honest"
  | "nothing"
  | { readonly body: Response }
  /** Bytes that need not be a message. */
  | { readonly bytes: Uint8Array };

/** Answers that wait; whoever asks more gets none. */
const maxWaiting = 1_000;
const maxAnswerBytes = 1_143;

export abstract class Rogue extends MachineLayer {
  protected readonly random: RandomStream;
  protected readonly host: SimHost;
  readonly #protocol: Protocol;
  readonly #scratch = new Uint8Array(maxAnswerBytes);
  readonly #waiting: { readonly path: Path; readonly bytes: Uint8Array }[] = [];

  constructor(options: NodeOptions, host: SimHost) {
    super(new KadNode(options));
    this.host = host;
    this.#protocol = host.simulation.protocol;
    this.random = host.simulation.stream("host", host.index, "rogue");
  }

  override get drained(): boolean {
    return super.drained && this.#waiting.length === 0;
  }

  override handleNetworkEvent(nowMs: InstantMs, event: NetworkEvent): void {
    if (event.type === "message" && this.#takes(nowMs, event.from, event.bytes)) return;
    super.handleNetworkEvent(nowMs, event);
  }

  override pollTransmit(nowMs: InstantMs, into: Uint8Array): Transmit | undefined {
    const next = this.#waiting.shift();
    if (next === undefined) return super.pollTransmit(nowMs, into);
    into.set(next.bytes);
    return { path: next.path, peer: next.path.peer, length: next.bytes.length, tag: 0 };
  }

  /** How a request is answered; it is borrowed. */
  protected abstract answer(nowMs: InstantMs, request: RequestMessage): RogueAnswer;

  /** Says something to somebody, asked or not. */
  protected say(path: Path, bytes: Uint8Array): void {
    if (this.#waiting.length < maxWaiting) this.#waiting.push({ path, bytes });
  }

  /** The bytes of an answer as this node would send it; `undefined` where it has no form. */
  protected encode(request: RequestMessage, body: Response): Uint8Array | undefined {
    const { requestId } = request;
    const message = {
      kind: "response",
      requestId,
      sender: this.id,
      client: false,
      addresses: [],
      body,
    } as const;
    const length = this.#protocol.encode(message, this.#scratch, this.#scratch.length, false);
    return length === undefined ? undefined : new Uint8Array(this.#scratch.subarray(0, length));
  }

  #takes(nowMs: InstantMs, from: Path, bytes: Uint8Array): boolean {
    const message = this.#protocol.decode(bytes);
    if (message.kind !== "request" || message.sender.equals(this.id)) return false;
    const answer = this.answer(nowMs, message);
    if (answer === "honest") return false;
    if (answer === "nothing") return true;
    const said = "bytes" in answer ? answer.bytes : this.encode(message, answer.body);
    if (said !== undefined) this.say(from, said);
    return true;
  }
}
