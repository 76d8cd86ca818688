/** Chat as a plugin: it says something to every node that it has met, and hears what they say. It knows no socket. */
import type {
  ApplicationMessage,
  Contact,
  NodeId,
  Plugin,
  PluginContext,
  QueryFinished,
  QueryId,
} from "@kad/core";

/** What a person sees. */
export interface ChatView {
  /** Somebody is there: the id is proven, the name is what they call themselves. */
  onMet(id: NodeId, name: string): void;
  onHeard(id: NodeId, name: string, text: string): void;
  /** A message has arrived, or why it has not. */
  onDelivered(id: NodeId, name: string, text: string, failure: string | undefined): void;
}

interface Line {
  readonly name: string;
  /** Absent: a greeting. */
  readonly text?: string;
}

interface Sent {
  readonly to: Contact;
  readonly text: string | undefined;
}

const encode = (line: Line): Uint8Array => new TextEncoder().encode(JSON.stringify(line));
const decode = (bytes: Uint8Array): Line => JSON.parse(new TextDecoder().decode(bytes)) as Line;

export class Chat implements Plugin {
  readonly protocol = "example/chat/1";
  readonly #name: string;
  readonly #view: ChatView;
  readonly #names = new Map<string, string>();
  readonly #sent = new Map<QueryId, Sent>();
  #node: PluginContext | undefined;

  constructor(name: string, view: ChatView) {
    this.#name = name;
    this.#view = view;
  }

  onAttach(node: PluginContext): void {
    this.#node = node;
  }

  /** To everybody in the routing table, each by a message of its own. */
  say(text: string): void {
    for (const contact of this.#node?.table.contacts() ?? []) this.#send(contact, text);
  }

  onNodeDiscovered(contact: Contact): void {
    this.#send(contact, undefined);
  }

  /** The reply says who has heard it; without one the sender would only know that the message has arrived. */
  onMessage({ from, body, reply }: ApplicationMessage): void {
    const { name, text } = decode(body);
    const { peer } = from; // proven by the channel: nobody can take another's place
    if (peer === undefined) return;
    this.#meet(peer, name);
    if (text !== undefined) this.#view.onHeard(peer, name, text);
    this.#node?.reply(reply, encode({ name: this.#name }));
  }

  onQueryFinished({ query, result }: QueryFinished): void {
    const sent = this.#sent.get(query);
    if (sent === undefined || result.type !== "reply") return;
    this.#sent.delete(query);
    const { id } = sent.to;
    if (result.body !== undefined) this.#meet(id, decode(result.body).name);
    if (sent.text === undefined) return;
    const failure = result.body === undefined ? (result.reason ?? "no answer") : undefined;
    this.#view.onDelivered(id, this.#names.get(id.key) ?? "somebody", sent.text, failure);
  }

  #send(to: Contact, text: string | undefined): void {
    const line = { name: this.#name, ...(text === undefined ? {} : { text }) };
    const query = this.#node?.send(to, this.protocol, encode(line));
    if (query !== undefined) this.#sent.set(query, { to, text });
  }

  #meet(id: NodeId, name: string): void {
    if (this.#names.get(id.key) === name) return;
    this.#names.set(id.key, name);
    this.#view.onMet(id, name);
  }
}
