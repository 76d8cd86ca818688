/**
 * What pages and the room say to each other. A page cannot be dialled, so the room is a node that can, and pages ask it: what
 * has been said since? The answer comes when there is one, or empty before the question expires.
 */
export const chatProtocol = "example/chat/1";

/** A page to the room. */
export interface ChatQuestion {
  /** Something to say first. */
  readonly say?: { readonly name: string; readonly text: string };
  /** Lines that the page has. */
  readonly since: number;
}

/** The room to a page. */
export interface ChatAnswer {
  readonly lines: readonly string[];
}

const maxLines = 100;
const maxTextLength = 500;
/** A reply must come within 8 s. */
const patienceMs = 5_000;

export const encode = (message: ChatQuestion | ChatAnswer): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(message));

export const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

export class ChatRoom {
  readonly #lines: string[] = [];
  /** Lines that were ever said; older ones are forgotten. */
  #count = 0;
  #waiting: (() => void)[] = [];

  /** For `node.handle`: what it resolves with is the reply. What cannot be read rejects, and the page hears nothing. */
  async answer(body: Uint8Array): Promise<Uint8Array> {
    const { say, since } = decode(body) as ChatQuestion;
    if (say !== undefined) this.say(String(say.name), String(say.text));
    if (this.#count <= since) await this.#untilSaid();
    const unheard = Math.min(this.#count - since, this.#lines.length);
    return encode({ lines: unheard > 0 ? this.#lines.slice(-unheard) : [] }); // slice: strings
  }

  say(name: string, text: string): void {
    this.#lines.push(`${name}: ${text}`.slice(0, maxTextLength)); // slice: a string
    this.#count++;
    if (this.#lines.length > maxLines) this.#lines.shift();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #untilSaid(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
