/**
 * A plugin from one function: takes messages of a protocol and replies with what the function returns.
 */
import {
  type ApplicationMessage,
  type NodeId,
  type Path,
  type Plugin,
  type PluginContext,
  UsageError,
} from "@kad/core";
import { toBytes } from "./key.ts";

/** A message as a handler sees it. */
export interface IncomingMessage {
  /** The id that the sender claims. Without encryption nothing proves it. */
  readonly sender: NodeId;
  readonly from: Path;
  readonly protocol: string;
  /** The handler's own. */
  readonly body: Uint8Array;
}

/** What it returns is the reply, at most one datagram on UDP; `undefined` acknowledges without one. */
export type MessageHandler = (
  message: IncomingMessage,
) => Uint8Array | string | undefined | Promise<Uint8Array | string | undefined>;

export class ApplicationHandler implements Plugin {
  readonly protocol: string;
  readonly #handler: MessageHandler;
  #node: PluginContext | undefined;

  constructor(protocol: string, handler: MessageHandler) {
    if (typeof handler !== "function")
      throw new UsageError("invalidArgument", "handler: allowed is a function");
    this.protocol = protocol;
    this.#handler = handler;
  }

  onAttach(node: PluginContext): void {
    this.#node = node;
  }

  /** A handler that fails is reported by the driver, which acknowledges every message that nobody replied to. */
  async onMessage(message: ApplicationMessage): Promise<void> {
    const { sender, from, protocol, body } = message;
    const reply = await this.#handler({ sender, from, protocol, body });
    if (reply !== undefined) this.#reply(message, toBytes("reply", reply));
  }

  /** Too late is no error: the token expires, handlers are removed and nodes close. */
  #reply(message: ApplicationMessage, body: Uint8Array): void {
    try {
      this.#node?.reply(message.reply, body);
    } catch (error) {
      if (!(error instanceof UsageError && error.code === "closed")) throw error;
    }
  }
}
