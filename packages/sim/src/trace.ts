/**
 * A run as text, one line for each event, and as a hash of that text: two runs are the same if their hashes are.
 *
 *     TIME HOST WHAT DETAILS
 *
 * TIME is in milliseconds with three digits, HOST a name, or `-` for the network as a whole. WHAT is one of
 *
 *     started ID ADDRESS…              a node begins to run; of the id the first 16 digits
 *     closed crashed slept woke paused resumed moved stepped clogged unclogged
 *     command NAME =RESULT ARGUMENTS   given to the node, by whomever; RESULT is a query's number, mostly
 *     send #N TO TYPE LENGTH CHECKSUM  a message leaves; N counts packets, TO is a host or an address that nobody has
 *     receive #N FROM                  it arrives (a duplicate has the number of the original)
 *     drop #N REASON                   it does not; HOST is who has sent it
 *     event TYPE DETAILS               the node tells something
 *     note TEXT                        a scenario does something
 *     end LINES                        the last line
 *
 * The first line is `kad-sim trace 1, seed SEED`. All of it comes from the seed: the same seed and version give the same
 * bytes, on every engine.
 */
import type { Contact, NodeEvent, Seed as PeerSeed, QueryResult } from "@kad/core";
import { NodeId } from "@kad/core";
import { checksumOf, TextHash } from "./checksum.ts";
import type { CommandCall, HostChange, Observer } from "./observer.ts";
import type { DropReason, Packet } from "./packet.ts";
import type { Seed } from "./random-stream.ts";
import type { SimHost } from "./sim-host.ts";
import { formatUs, type InstantUs } from "./virtual-time.ts";

export interface TraceOptions {
  /** For the first line. */
  readonly seed: Seed;
  /** Takes every line, without its end; absent: only the hash is kept. */
  readonly sink?: (line: string) => void;
}

/** Digits of an id: enough to tell a million nodes apart. */
const idDigits = 16;

export class Trace implements Observer {
  readonly #sink: ((line: string) => void) | undefined;
  readonly #hash = new TextHash();
  #lines = 0;

  constructor({ seed, sink }: TraceOptions) {
    this.#sink = sink;
    this.#write(`kad-sim trace 1, seed ${seed}`);
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Of all lines so far, each with a line feed: 16 hexadecimal digits. Tells runs apart, and is no proof against forgers. */
  get hash(): string {
    return this.#hash.digest();
  }

  onHost(nowUs: InstantUs, host: SimHost, change: HostChange): void {
    const hasNews = change === "started" || change === "moved";
    const addresses = host.endpoints.map(({ address }) => ` ${address.key}`).join("");
    const news = change === "started" ? ` ${short(host.id)}${addresses}` : addresses;
    this.#line(nowUs, host.name, hasNews ? `${change}${news}` : change);
  }

  onCommand(nowUs: InstantUs, host: SimHost, { name, args, result }: CommandCall): void {
    const shownArgs = args.map((arg) => ` ${shown(arg)}`).join("");
    this.#line(nowUs, host.name, `command ${name} =${shown(result)}${shownArgs}`);
  }

  onSend(nowUs: InstantUs, packet: Packet): void {
    const { number, from, to, target, bytes } = packet;
    const receiver = target?.host.name ?? to.key;
    const type = typeOf(packet);
    this.#line(
      nowUs,
      from.host.name,
      `send #${number} ${receiver} ${type} ${bytes.length} ${checksumOf(bytes)}`,
    );
  }

  onDelivery(nowUs: InstantUs, { number, from, target }: Packet): void {
    this.#line(nowUs, target?.host.name ?? "-", `receive #${number} ${from.host.name}`);
  }

  onDrop(nowUs: InstantUs, { number, from }: Packet, reason: DropReason): void {
    this.#line(nowUs, from.host.name, `drop #${number} ${reason}`);
  }

  onEvent(nowUs: InstantUs, host: SimHost, event: NodeEvent): void {
    this.#line(nowUs, host.name, `event ${event.type}${detailsOf(event)}`);
  }

  onNote(nowUs: InstantUs, text: string): void {
    this.#line(nowUs, "-", `note ${text}`);
  }

  onEnd(nowUs: InstantUs): void {
    this.#line(nowUs, "-", `end ${this.#lines}`);
  }

  #line(nowUs: InstantUs, host: string, text: string): void {
    this.#write(`${formatUs(nowUs)} ${host} ${text}`);
  }

  #write(line: string): void {
    this.#lines++;
    this.#hash.add(line);
    this.#sink?.(line);
  }
}

function short(id: NodeId): string {
  return id.toHex().substring(0, idDigits);
}

/** What the message is, where it is one of the protocol that all hosts speak. */
function typeOf({ message }: Packet): string {
  if (message.kind === "malformed") return message.reason;
  return message.kind === "request" ? message.body.type : `${message.body.type}!`;
}

function detailsOf(event: NodeEvent): string {
  switch (event.type) {
    case "queryFinished": {
      const { requests, responses, failures, rounds, hops } = event.stats;
      const stats = `requests=${requests} responses=${responses} failures=${failures} rounds=${rounds} hops=${hops}`;
      return ` ${event.query} ${event.end} ${stats} ${resultOf(event.result)}`;
    }
    case "queryProgressed":
      return ` ${event.query} ${event.step} ${resultOf(event.result)}`;
    case "nodeDiscovered":
      return ` ${contactOf(event.contact)}`;
    case "requestTimedOut":
      return ` ${event.query ?? "-"} ${event.to.key}`;
    case "messageReceived":
      return ` ${event.protocol} ${event.body.length} ${checksumOf(event.body)} ${event.from.remote.key}`;
    case "timer":
      return ` ${event.timer} ${event.plugin}`;
    case "peerMisbehaved":
      return ` ${event.code} ${event.from.remote.key}`;
    case "error":
      return ` ${event.error.code}`;
  }
}

function resultOf(result: QueryResult): string {
  switch (result.type) {
    case "nodes":
      return `nodes=${idsOf(result.contacts)}`;
    case "value": {
      const body = result.record === undefined ? "-" : checksumOf(result.record.body);
      return `value=${body} holders=${idsOf(result.holders)} nodes=${idsOf(result.contacts)}`;
    }
    case "providers":
      return `providers=${idsOf(result.providers.map(({ contact }) => contact))} nodes=${idsOf(result.contacts)}`;
    case "stored":
      return `asked=${result.asked} holders=${idsOf(result.holders)}`;
    case "pong":
      return `pong=${result.rttMs ?? result.reason}`;
    case "reply":
      return `reply=${result.body === undefined ? result.reason : checksumOf(result.body)}`;
  }
}

function idsOf(contacts: readonly Contact[]): string {
  return contacts.length === 0 ? "-" : contacts.map(({ id }) => short(id)).join(",");
}

function contactOf({ id, addresses }: PeerSeed): string {
  const urls = addresses.map(({ key }) => key).join(",");
  return id === undefined ? urls : `${short(id)}@${urls}`;
}

/** An argument or a result of a command: ids by their first digits, bytes by length and checksum, the rest by its fields. */
function shown(value: unknown): string {
  if (value === undefined) return "-";
  if (value instanceof NodeId) return short(value);
  if (value instanceof Uint8Array) return `${value.length}:${checksumOf(value)}`;
  if (Array.isArray(value)) return `[${value.map(shown).join(",")}]`;
  if (typeof value !== "object" || value === null) return String(value as string | number | boolean | null);
  if ("addresses" in value && Array.isArray(value.addresses)) return contactOf(value as PeerSeed);
  const fields = Object.entries(value).map(([name, field]) => `${name}:${shown(field)}`);
  return `{${fields.join(",")}}`;
}
