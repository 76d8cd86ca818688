/**
 * What a command that is a node tells of it: lines for people, objects for programs.
 */
import type { Contact } from "@kad/core";
import type { Announcement, DhtNode } from "@kad/dht";
import { hexOf } from "./bytes.ts";
import { oneLine, toFailure } from "./failure.ts";
import type { Io } from "./io.ts";
import type { JoinWatch } from "./joining.ts";
import { writeEvent } from "./json.ts";
import type { Recording } from "./recording.ts";
import { Screen } from "./screen.ts";
import { plural, shortId } from "./text.ts";
import { describeEffort, effortFields } from "./walk.ts";

export function serverView(io: Io, isJson: boolean): ServerView {
  return isJson ? new JsonView(io) : new TextView(io);
}

export interface ServerView {
  listening(node: DhtNode): void;
  recording(recording: Recording): void;
  joined(contacts: number, join: JoinWatch): void;
  peer(contact: Contact): void;
  announced(announcement: Announcement): void;
  error(error: unknown): void;
  stop(): void;
}

const recordingWarning =
  "it holds in plain text all that this node hears, says and stores, and the addresses of its peers";

class JsonView implements ServerView {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  listening({ id, publicKey, addresses }: DhtNode): void {
    const proven = publicKey && { publicKey: hexOf(publicKey) };
    this.#write("listening", { id: id.toHex(), ...proven, addresses });
  }

  recording({ file }: Recording): void {
    this.#write("recording", { file, warning: recordingWarning });
  }

  joined(contacts: number, { stats }: JoinWatch): void {
    this.#write("joined", { contacts, ...(stats && effortFields(stats)) });
  }

  peer({ id, addresses }: Contact): void {
    this.#write("peer", { id: id.toHex(), addresses: addresses.map(({ key }) => key) });
  }

  announced({ key, accepted, asked, stats }: Announcement): void {
    this.#write("announced", { key: key.toHex(), accepted, asked, ...effortFields(stats) });
  }

  error(error: unknown): void {
    this.#write("error", { message: toFailure(error).message });
  }

  stop(): void {
    this.#write("stopped", {});
  }

  #write(event: string, fields: Readonly<Record<string, unknown>>): void {
    writeEvent(this.#io.stdout, event, fields);
  }
}

/** A node that joins meets dozens at once. */
const quietMs = 1_000;
/** Peers named in one line; the others are counted. */
const maxNamed = 3;

class TextView implements ServerView {
  readonly #io: Io;
  readonly #screen: Screen;
  #met: Contact[] = [];
  #known = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(io: Io) {
    this.#io = io;
    this.#screen = Screen.ofStdout(io);
  }

  listening({ id, addresses }: DhtNode): void {
    const { style } = this.#screen;
    const [first] = addresses;
    this.#screen.print(
      `${style.bold("listening")}  ${addresses.join(", ") || "on no address that others could dial"}`,
      `id         ${id.toHex()}`,
      ...(first === undefined ? [] : [`to join it  ${style.key(`npx kad node --bootstrap ${first}`)}`]),
    );
  }

  recording({ file }: Recording): void {
    this.#screen.print(`recording  ${file}`, `           ${recordingWarning}`);
  }

  joined(contacts: number, { stats }: JoinWatch): void {
    const effort = stats === undefined ? "" : `: ${describeEffort(stats)}`;
    this.#screen.print(`joined     ${plural(contacts, "node")} answered${effort}`);
  }

  peer(contact: Contact): void {
    this.#met.push(contact);
    this.#timer ??= setTimeout(() => this.#tellPeers(), quietMs).unref();
  }

  announced({ key, accepted, asked, stats }: Announcement): void {
    this.#screen.print(
      `announced  ${key.toHex()}`,
      `           to ${accepted} of ${asked} holders: ${describeEffort(stats)}; renewed until this ends`,
    );
  }

  error(error: unknown): void {
    this.#io.stderr.write(`kad: ${oneLine(toFailure(error).message)}\n`);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#tellPeers();
    this.#screen.print("stopped");
  }

  #tellPeers(): void {
    this.#timer = undefined;
    const met = this.#met;
    if (met.length === 0) return;
    this.#met = [];
    this.#known += met.length;
    const names = met.slice(0, maxNamed).map(nameOf); // slice: a list of contacts
    const others = met.length > names.length ? ` and ${met.length - names.length} more` : "";
    this.#screen.print(`met        ${names.join(", ")}${others}; ${this.#known} so far`);
  }
}

function nameOf({ id, addresses }: Contact): string {
  return `${shortId(id)} at ${addresses[0]?.key}`;
}
