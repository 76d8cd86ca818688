/**
 * The steps of a demo, one after the other.
 */
import { equalBytes } from "@kad/core";
import type { DhtNode, PutResult } from "@kad/dht";
import { atOnce } from "../at-once.ts";
import { exitCode } from "../exit-code.ts";
import { Failure, oneLine, toFailure } from "../failure.ts";
import type { Effort } from "../walk.ts";
import { chunksOf, type DemoFile } from "./demo-file.ts";
import type { Account, Step } from "./events.ts";
import { FileSteps } from "./file-steps.ts";
import type { LineRecord } from "./line-records.ts";
import type { DemoNetwork, Member } from "./network.ts";

/** Operations at the same time: more of them only wait for one another. */
const concurrency = 8;
/** Nodes that announce the file, and nodes that look for these. */
const mostAnnouncers = 4;

export interface DemoJob {
  readonly records: readonly LineRecord[];
  readonly file: DemoFile;
}

type LocalMember = Extract<Member, { type: "local" }>;

export class DemoRun {
  readonly #network: DemoNetwork;
  readonly #account: Account;
  readonly #signal: AbortSignal;
  readonly #startedAtMs = performance.now();
  /** What storing each record came to; without those that could not be stored. */
  readonly #puts = new Map<LineRecord, PutResult>();
  #failures = 0;

  constructor(network: DemoNetwork, account: Account, signal: AbortSignal) {
    this.#network = network;
    this.#account = account;
    this.#signal = signal;
  }

  /**
   * Resolves with whether everything worked. The network stays as it then is.
   * @throws (rejects) Failure when the network does not start; the signal's reason
   */
  async play({ records, file }: DemoJob, total: number): Promise<boolean> {
    const network = this.#network;
    const chunks = chunksOf(file);
    await this.#step("start", total, () => this.#start());
    const writer = chooseWriter(network.members);
    const files = new FileSteps({ file, account: this.#account, signal: this.#signal });
    await this.#step("store", records.length, () => this.#storeAll(records, writer.node), writer.address);
    await this.#step("read", records.length, () => this.#readAll("read", records, writer.node));
    const store = (): Promise<void> => this.#attempt("chunks", undefined, () => files.store(writer.node));
    await this.#step("chunks", chunks, store, writer.address);
    const { announcers, finders } = chooseProviders(network.members, writer);
    await this.#step("announce", announcers.length + finders.length, async () => {
      await this.#forEach("announce", announcers, (node) => files.announce(node));
      await this.#forEach("announce", finders, (node) => files.find(node));
    });
    const victims = chooseVictims(network.members, writer);
    await this.#step("kill", victims.length, () => this.#killAll(victims));
    await this.#step("reread", records.length, () => this.#readAll("reread", records, writer.node));
    await this.#step("file", chunks, () => this.#attempt("file", undefined, () => this.#readFile(files)));
    const others = finders.filter((node) => !node.closed);
    const left = others.length > 0 ? others : network.nodes.slice(0, 1); // slice: a list of nodes
    await this.#step("providers", left.length, () =>
      this.#forEach("providers", left, (node) => files.find(node)),
    );
    const ok = this.#failures === 0;
    const durationMs = performance.now() - this.#startedAtMs;
    this.#account.tell({ type: "result", ok, alive: network.members.length, durationMs });
    return ok;
  }

  async #step(step: Step, total: number, work: () => Promise<unknown>, through?: string): Promise<void> {
    this.#account.tell({ type: "step", step, total, ...(through === undefined ? {} : { through }) });
    const startedAtMs = performance.now();
    const failuresBefore = this.#failures;
    await work();
    const failures = this.#failures - failuresBefore;
    this.#account.tell({ type: "stepEnd", step, failures, durationMs: performance.now() - startedAtMs });
  }

  async #start(): Promise<void> {
    try {
      await this.#network.start();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new Failure(exitCode.failed, `the network did not start: ${toFailure(error).message}`, {
        cause: error,
      });
    }
  }

  async #storeAll(records: readonly LineRecord[], writer: DhtNode): Promise<void> {
    await atOnce(concurrency, records, (record) =>
      this.#attempt("store", record, async () => {
        const startedAtMs = performance.now();
        const put = await writer.put(record.value, { signal: this.#signal });
        const effort = effortOf(put, startedAtMs);
        this.#puts.set(record, put);
        const { key, accepted, asked, holders } = put;
        const holder = holders[0]?.addresses[0]?.key;
        this.#account.tell({
          type: "stored",
          ...shown(record),
          key: key.toHex(),
          accepted,
          asked,
          holder,
          effort,
        });
      }),
    );
  }

  /** Each through a node that has not stored it, as far as there are such: what a node holds itself it need not ask for. */
  async #readAll(step: "read" | "reread", records: readonly LineRecord[], writer: DhtNode): Promise<void> {
    const others = this.#network.nodes.filter((node) => node !== writer);
    await atOnce(concurrency, records, (record, index) =>
      this.#attempt(step, record, async () => {
        const put = this.#puts.get(record);
        if (put === undefined) throw new Error("it was not stored");
        const readers = others.filter((node) => !put.holders.some(({ id }) => id.equals(node.id)));
        const choice = readers.length > 0 ? readers : others;
        await this.#read(record, put, choice[index % choice.length] as DhtNode);
      }),
    );
  }

  async #read(record: LineRecord, { key }: PutResult, reader: DhtNode): Promise<void> {
    const startedAtMs = performance.now();
    const { value, holders, end, stats } = await reader.get(key, { signal: this.#signal });
    const effort = effortOf({ stats }, startedAtMs);
    if (value === undefined) throw new Error(`nobody had it (${end})`);
    if (!equalBytes(value, record.value)) throw new Error("other bytes came back");
    const holder = holders[0]?.addresses[0]?.key;
    const [address = ""] = reader.addresses;
    this.#account.tell({ type: "read", ...shown(record), key: key.toHex(), reader: address, holder, effort });
  }

  /** By one who holds nothing of it. */
  async #readFile(files: FileSteps): Promise<void> {
    const client = await this.#network.openClient();
    try {
      await files.read(client);
    } finally {
      await client.close();
    }
  }

  async #forEach(
    step: Step,
    nodes: readonly DhtNode[],
    work: (node: DhtNode) => Promise<void>,
  ): Promise<void> {
    await atOnce(concurrency, nodes, (node) => this.#attempt(step, undefined, () => work(node)));
  }

  async #killAll(victims: readonly Member[]): Promise<void> {
    for (const victim of victims) {
      await this.#network.kill(victim);
      const { id, address } = victim;
      const pid = victim.type === "process" ? victim.child.pid : undefined;
      this.#account.tell({ type: "killed", id, address, pid });
    }
  }

  /** What fails is told and counted; the others go on. `record`: which one, where it is about one. */
  async #attempt(step: Step, record: LineRecord | undefined, operation: () => Promise<void>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      this.#signal.throwIfAborted();
      this.#failures++;
      this.#account.tell({ type: "failed", step, line: record?.line, reason: toFailure(error).message });
    }
  }
}

/** The first node is everybody's bootstrap node, and stays so that others can join; so the second one writes. */
function chooseWriter(members: readonly Member[]): LocalMember {
  const locals = members.filter((member) => member.type === "local");
  return locals[1] as LocalMember;
}

/** Some that will die and some that will not; as many others look for them, or the first where there are none. */
function chooseProviders(
  members: readonly Member[],
  writer: Member,
): { readonly announcers: readonly DhtNode[]; readonly finders: readonly DhtNode[] } {
  const [first, ...others] = members.flatMap((member) =>
    member.type === "local" && member !== writer ? [member.node] : [],
  );
  const half = Math.min(mostAnnouncers, Math.ceil(others.length / 2));
  const finders = others.slice(half, 2 * half); // slice: a list of nodes
  return {
    announcers: others.slice(0, half), // slice: a list of nodes
    finders: finders.length > 0 ? finders : [first as DhtNode],
  };
}

/** A third of all: the writer, one process where there is any, and of the others every second, the first node never. */
function chooseVictims(members: readonly Member[], writer: Member): readonly Member[] {
  const size = Math.floor(members.length / 3);
  const others = members.filter((member, index) => index > 0 && member !== writer);
  const processes = others.filter(({ type }) => type === "process").slice(0, 1); // slice: a list of members
  const locals = others.filter(({ type }) => type === "local");
  const spread = [
    ...locals.filter((_, index) => index % 2 === 0),
    ...locals.filter((_, index) => index % 2 === 1),
  ];
  return [writer, ...processes, ...spread].slice(0, size); // slice: a list of members
}

function effortOf({ stats }: Pick<PutResult, "stats">, startedAtMs: number): Effort {
  const { rounds, hops, requests } = stats;
  return { rounds, hops, requests, durationMs: performance.now() - startedAtMs };
}

/** The line as text for people; what is no UTF-8 shows as U+FFFD. */
function shown({ line, value }: LineRecord): { readonly line: number; readonly text: string } {
  return { line, text: oneLine(new TextDecoder().decode(value)) };
}
