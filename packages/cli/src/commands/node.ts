/**
 * `kad node`: a node that lives until it is told to end.
 */
import type { Contact } from "@kad/core";
import type { DhtNode } from "@kad/dht";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { oneLine, toFailure } from "../failure.ts";
import type { Io } from "../io.ts";
import { JoinWatch, untilJoined } from "../joining.ts";
import { writeEvent } from "../json.ts";
import { bootstrap, json, timeout, url } from "../options.ts";
import { Screen } from "../screen.ts";
import { plural, shortId } from "../text.ts";
import { describeEffort, effortFields } from "../walk.ts";

const defaultTimeoutMs = 10_000;

export const node: Command = defineCommand({
  name: "node",
  summary: "Start a node and keep it running until Ctrl-C or SIGTERM",
  description: [
    "A node answers others, keeps records for them, and renews what it knows of the network. Without --bootstrap it is " +
      "the first node of a network of its own.",
    "Without --listen it takes a free port: on loopback when every --bootstrap address is there or none is given, else " +
      "on every interface. Messages travel in plain text.",
    "With --json the first line is the event listening, with id and addresses; then come joined, peer (a peer has " +
      "answered), error and, at the end, stopped.",
  ],
  options: {
    listen: {
      value: "URL",
      summary: "Where to listen: udp://IP:PORT, port 0 for any free one; more than once for IPv4 and IPv6",
      parse: url,
      multiple: true,
    },
    bootstrap,
    timeout: {
      ...timeout,
      summary: "How long to try to join before giving up: 500ms, 10s, 2m; 10s by default",
    },
    "exit-with-stdin": { summary: "End when standard input closes: with the program that started this one" },
    json,
  },
  examples: [
    { line: "kad node --listen udp://0.0.0.0:4100", does: "the first node of a network, for other machines" },
    { line: "kad node --bootstrap udp://192.0.2.7:4100", does: "join that network from another machine" },
    {
      line: "kad node --listen udp://127.0.0.1:0 --json",
      does: "for a program, which reads the port from line one",
    },
  ],
  async run({ options, io }) {
    const view = options.json ? new JsonView(io) : new TextView(io);
    const end = endOfRun(io, options["exit-with-stdin"]);
    try {
      await runNode(options, view, end);
    } catch (error) {
      if (!end.aborted) throw error;
    }
    return exitCode.ok;
  },
});

interface NodeSettings {
  readonly listen: readonly string[];
  readonly bootstrap: readonly string[];
  readonly timeout: number | undefined;
}

async function runNode(settings: NodeSettings, view: View, end: AbortSignal): Promise<void> {
  const { createNode } = await import("@kad/dht");
  const { bootstrap: seeds, timeout: timeoutMs = defaultTimeoutMs } = settings;
  const join = new JoinWatch();
  const running = await createNode({
    listen: settings.listen.length > 0 ? settings.listen : defaultListen(seeds),
    bootstrap: seeds,
    security: "none",
    bootstrapRequired: false,
    plugins: [join],
    report: (error) => view.error(error),
    signal: end,
  });
  try {
    running.addEventListener("peer:discovery", ({ detail }) => view.peer(detail));
    view.listening(running);
    if (seeds.length > 0) view.joined(await untilJoined(running, seeds, timeoutMs, end), join);
    await aborted(end);
  } finally {
    await running.close();
    view.stop();
  }
}

/** Loopback stays on loopback: nobody is exposed to the network who did not ask for it. */
export function defaultListen(seeds: readonly string[]): readonly string[] {
  const isLocal = seeds.every((seed) => /^udp:\/\/(127\.[0-9.]+|localhost|\[::1\]):/i.test(seed));
  const isIpv6 = (seed: string): boolean => /^udp:\/\/\[/i.test(seed);
  const needsIpv4 = seeds.length === 0 || seeds.some((seed) => !isIpv6(seed));
  const ipv4 = isLocal ? "udp://127.0.0.1:0" : "udp://0.0.0.0:0";
  const ipv6 = isLocal ? "udp://[::1]:0" : "udp://[::]:0";
  return [...(needsIpv4 ? [ipv4] : []), ...(seeds.some(isIpv6) ? [ipv6] : [])];
}

function endOfRun(io: Io, withStdin: boolean): AbortSignal {
  if (!withStdin) return io.signal;
  const closed = new AbortController();
  readToEnd(io.stdin).then(
    () => closed.abort(),
    () => closed.abort(),
  );
  return AbortSignal.any([io.signal, closed.signal]);
}

async function readToEnd(input: AsyncIterable<unknown>): Promise<void> {
  for await (const _chunk of input);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface View {
  listening(node: DhtNode): void;
  joined(contacts: number, join: JoinWatch): void;
  peer(contact: Contact): void;
  error(error: unknown): void;
  stop(): void;
}

class JsonView implements View {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  listening({ id, addresses }: DhtNode): void {
    this.#write("listening", { id: id.toHex(), addresses });
  }

  joined(contacts: number, { stats }: JoinWatch): void {
    this.#write("joined", { contacts, ...(stats && effortFields(stats)) });
  }

  peer({ id, addresses }: Contact): void {
    this.#write("peer", { id: id.toHex(), addresses: addresses.map(({ key }) => key) });
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

class TextView implements View {
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

  joined(contacts: number, { stats }: JoinWatch): void {
    const effort = stats === undefined ? "" : `: ${describeEffort(stats)}`;
    this.#screen.print(`joined     ${plural(contacts, "node")} answered${effort}`);
  }

  peer(contact: Contact): void {
    this.#met.push(contact);
    this.#timer ??= setTimeout(() => this.#tellPeers(), quietMs).unref();
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
