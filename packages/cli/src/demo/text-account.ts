/**
 * A demo for people. On a terminal each step is drawn in place while it goes on: how far it is, what it takes, and what
 * happened last. What stays, there and in a file, is the same: a heading for each step and its result; where nothing can
 * be drawn, a tenth of the operations beside.
 */
import { oneLine } from "../failure.ts";
import { bar, type Screen } from "../screen.ts";
import type { Summary } from "../tally.ts";
import { cut, grouped, plural, shortId, shownBytes, shownMs } from "../text.ts";
import { describeEffort } from "../walk.ts";
import type { Account, DemoEvent, Step } from "./events.ts";
import { Ledger } from "./ledger.ts";

type EventOf<T extends DemoEvent["type"]> = Extract<DemoEvent, { type: T }>;

/** In their order. */
const headings: Readonly<Record<Step, string>> = {
  start: "Nodes start and find one another",
  store: "Each line is stored as a record, all through one node",
  read: "Each record is read back through another node",
  chunks: "A file is stored as chunks, through the same node",
  announce: "Some nodes announce that they have it, and others find them",
  kill: "A third of the nodes is killed, without a word to the others",
  reread: "Each record is read again through those that are left",
  file: "The file is put together again by a client that has only just come",
  providers: "Those who announced it and are left are found again",
};

const barWidth = 30;
/** Operations shown below the bar, the last ones. */
const recentLines = 5;
/** Operations shown of a step where nothing can be drawn. */
const samples = 10;
/** Failures shown one by one; the others are counted. */
const maxFailuresShown = 5;
/** Of an operation that differs from the others in nothing. */
const noDetail = "chunks";
const quoteLength = 36;
const lineDigits = 4;
const busiest = 3;

export class TextAccount implements Account {
  readonly #screen: Screen;
  readonly #ledger = new Ledger();
  #recent: string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  tell(event: DemoEvent): void {
    this.#ledger.tell(event);
    switch (event.type) {
      case "begin":
        this.#onBegin(event);
        break;
      case "step":
        this.#onStep(event);
        break;
      case "joined":
        this.#onOperation(describeJoin(event));
        break;
      case "file":
        this.#onFile(event);
        break;
      case "stored":
        this.#onOperation(describeStore(event));
        break;
      case "chunk":
        this.#onOperation(noDetail);
        break;
      case "announced":
        this.#onOperation(describeAnnouncement(event));
        break;
      case "found":
        this.#onOperation(describeFound(event));
        break;
      case "fileStored":
      case "fileRead":
        break; // the ledger has it
      case "read":
        this.#onOperation(describeRead(event));
        break;
      case "killed":
        this.#onOperation(`- ${nameOf(event)}`);
        break;
      case "failed":
        this.#onFailed(event);
        break;
      case "error":
        this.#screen.print(`   ${this.#screen.style.bad("error")}  ${event.message}`);
        break;
      case "stepEnd":
        this.#onStepEnd(event);
        break;
      case "result":
        this.#onResult(event);
        break;
      case "ready":
        this.#onReady(event);
        break;
      case "visitor":
        this.#screen.print(`  + ${shortId(event.id)} ${event.address} has joined from elsewhere`);
        break;
    }
  }

  close(): void {
    this.#screen.clear();
  }

  #onBegin({ file, bytes, lines, records, blankLines, repeatedLines, cutLines }: EventOf<"begin">): void {
    const { style } = this.#screen;
    const notes = [
      ...(blankLines > 0 ? [`${grouped(blankLines)} blank`] : []),
      ...(repeatedLines > 0 ? [`${grouped(repeatedLines)} equal to an earlier one, which they share`] : []),
      ...(cutLines > 0 ? [`${grouped(cutLines)} over 1,000 bytes, cut there`] : []),
    ];
    this.#screen.print(
      style.bold("kad demo: a Kademlia network on this machine, encrypted over UDP"),
      style.dim("every node has a socket of its own at udp://127.0.0.1:PORT, shown as :PORT"),
      `${oneLine(file)}: ${plural(lines, "line")}, ${shownBytes(bytes)}, make ${plural(records, "record")}`,
      ...(notes.length > 0 ? [style.dim(`  ${notes.join("; ")}`)] : []),
    );
  }

  #onFile({ file, bytes, chunks }: EventOf<"file">): void {
    this.#screen.print(`${oneLine(file)}: ${shownBytes(bytes)} as a whole, make ${plural(chunks, "chunk")}`);
  }

  #onStep({ step, through }: EventOf<"step">): void {
    const { style } = this.#screen;
    const by = through === undefined ? "" : style.dim(`  ${portOf(through)}`);
    this.#recent = [];
    this.#screen.print("", `${style.bold(`${numberOf(step)}  ${headings[step]}`)}${by}`);
  }

  #onOperation(line: string): void {
    const { total, done } = this.#ledger;
    this.#recent.push(line);
    if (this.#recent.length > recentLines) this.#recent.shift();
    const isSample = Math.floor((done * samples) / total) > Math.floor(((done - 1) * samples) / total);
    if (!this.#screen.isLive && isSample) this.#screen.print(`   ${progress(done, total)}  ${line}`);
    this.#screen.draw(() => this.#block());
  }

  #block(): string[] {
    const { style } = this.#screen;
    const { total, done, elapsedMs, summary } = this.#ledger;
    return [
      `   ${style.good(bar(done, total, barWidth))}  ${progress(done, total)}  ${shownMs(elapsedMs)}`,
      `   ${summary === undefined ? "" : describeSummary(summary)}`,
      ...this.#recent.filter((line) => line !== noDetail).map((line) => style.dim(`     ${line}`)),
    ];
  }

  #onFailed({ line, reason }: EventOf<"failed">): void {
    if (this.#ledger.failures > maxFailuresShown) return;
    const where = line === undefined ? "" : `line ${line}: `;
    this.#screen.print(`   ${this.#screen.style.bad("failed")}  ${where}${oneLine(reason)}`);
  }

  #onStepEnd({ failures, durationMs }: EventOf<"stepEnd">): void {
    const { style } = this.#screen;
    const mark = failures === 0 ? style.good("✓") : style.bad(`✗ ${grouped(failures)} failed;`);
    const [headline = "", ...details] = this.#stepResult(shownMs(durationMs));
    this.#screen.print(`   ${mark} ${headline}`, ...details.map((detail) => `     ${detail}`));
  }

  #stepResult(time: string): string[] {
    const ledger = this.#ledger;
    const { step, done, total, summary, pids } = ledger;
    const effort = summary === undefined ? [] : [`each took ${describeSummary(summary)}`];
    switch (step) {
      case "start": {
        const own =
          pids.length === 0 ? "" : `, ${pids.length} of them in processes of their own (${pidList(pids)})`;
        return [`${plural(done, "node")} joined in ${time}${own}`, ...effort];
      }
      case "store": {
        const { accepted } = ledger;
        const mean = accepted.reduce((sum, one) => sum + one, 0) / Math.max(1, accepted.length);
        const least = accepted.length === 0 ? 0 : Math.min(...accepted);
        return [
          `${plural(done, "record")} stored in ${time}`,
          `each is kept by ${mean.toFixed(1)} holders, by ${least} at least`,
          ...effort,
        ];
      }
      case "read":
      case "reread":
        return [
          `${grouped(done)} of ${plural(total, "record")} came back, byte for byte the same, in ${time}, ` +
            `through ${plural(ledger.readers.size, "node")}`,
          ...describeAnswers(ledger),
          ...effort,
        ];
      case "chunks":
        return [describeStoredFile(ledger, time)];
      case "file":
        return [describeReadFile(ledger, time)];
      case "announce":
      case "providers":
        return [describeProviders(ledger, time), ...effort];
      case "kill": {
        const processes =
          pids.length === 0 ? "" : `, ${plural(pids.length, "process")} by SIGKILL (${pidList(pids)})`;
        return [
          `${plural(done, "node")} gone: ${plural(done - pids.length, "socket")} closed${processes}`,
          "the node that stored everything is among them",
        ];
      }
    }
  }

  #onResult({ ok, alive, durationMs }: EventOf<"result">): void {
    const { style } = this.#screen;
    const text = ok
      ? style.good(`Everything worked, in ${shownMs(durationMs)}.`)
      : style.bad(`Not everything worked; it took ${shownMs(durationMs)}.`);
    this.#screen.print("", `${text} ${plural(alive, "node")} are left.`);
  }

  #onReady({ join }: EventOf<"ready">): void {
    this.#screen.print(
      "",
      "They go on until Ctrl-C. Join them from a second terminal:",
      `  ${this.#screen.style.key(join)}`,
    );
  }
}

function numberOf(step: Step): number {
  return Object.keys(headings).indexOf(step) + 1;
}

function describeJoin({ id, address, pid, contacts, effort }: EventOf<"joined">): string {
  const name = `+ ${nameOf({ id, address, pid })}`;
  return effort === undefined
    ? `${name}  the first`
    : `${name}  knows ${contacts}; ${describeEffort(effort)}`;
}

function describeStore({ line, text, accepted, asked, holder, effort }: EventOf<"stored">): string {
  const by = holder === undefined ? "" : ` ${portOf(holder)} …`;
  return `${quote(line, text)} → ${accepted} of ${asked} holders${by}  ${describeEffort(effort)}`;
}

function describeRead({ line, text, reader, holder, effort }: EventOf<"read">): string {
  const from = holder === undefined ? "had it itself" : `← ${portOf(holder)}`;
  return `${quote(line, text)} ${portOf(reader)} ${from}  ${describeEffort(effort)}`;
}

function describeAnnouncement({ id, address, accepted, asked, effort }: EventOf<"announced">): string {
  return `${nameOf({ id, address })} → ${accepted} of ${asked} holders  ${describeEffort(effort)}`;
}

function describeFound({ reader, providers, effort }: EventOf<"found">): string {
  return `${portOf(reader)} found ${plural(providers, "provider")}  ${describeEffort(effort)}`;
}

/** What has failed is told by itself; here there is nothing to tell then. */
function describeStoredFile({ file }: Ledger, time: string): string {
  if (file === undefined) return `not stored, in ${time}`;
  const { bytes, chunks, manifests = 0, leastAccepted } = file;
  const records = `${plural(chunks, "chunk")} under ${plural(manifests, "manifest")}`;
  const holders =
    leastAccepted === undefined ? "" : `, each kept by ${plural(leastAccepted, "holder")} at least`;
  return `${shownBytes(bytes)} stored in ${time} as ${records}${holders}`;
}

function describeReadFile({ file, elapsedMs }: Ledger, time: string): string {
  if (file === undefined) return `not read, in ${time}`;
  const rate = shownBytes(Math.round((file.bytes * 1_000) / elapsedMs));
  return `${shownBytes(file.bytes)} came back, byte for byte the same, in ${time} (${rate}/s)`;
}

function describeProviders({ announced, foundAlive, firstMs }: Ledger, time: string): string {
  const told = announced === 0 ? "" : `${plural(announced, "node")} announced it, and `;
  const who = announced === 0 ? plural(foundAlive.length, "node") : `${foundAlive.length} others`;
  const least = foundAlive.length === 0 ? 0 : Math.min(...foundAlive);
  const first = firstMs.length === 0 ? "" : `, the first of them within ${shownMs(Math.max(...firstMs))}`;
  return `${told}${who} found all ${least} that are alive${first}, in ${time}`;
}

function describeSummary({ requests, rounds, hops, p50Ms, p95Ms }: Summary): string {
  const walk = `${requests.toFixed(1)} requests, ${rounds.toFixed(1)} rounds, ${hops.toFixed(1)} hops`;
  return `${walk}; p50 ${shownMs(p50Ms)}, p95 ${shownMs(p95Ms)}`;
}

function describeAnswers({ answers, ownReads }: Ledger): string[] {
  const ranked = [...answers].sort(([, a], [, b]) => b - a).slice(0, busiest); // slice: a list
  const most = ranked.map(([address, count]) => `${portOf(address)} (${count})`).join(", ");
  const own = ownReads === 0 ? "" : `; ${grouped(ownReads)} were held by the reader itself`;
  return [`answered by ${plural(answers.size, "node")}${most === "" ? "" : `, most by ${most}`}${own}`];
}

function nameOf({
  id,
  address,
  pid,
}: {
  readonly id: string;
  readonly address: string;
  readonly pid?: number | undefined;
}): string {
  return `${shortId(id)} ${portOf(address)}${pid === undefined ? "" : ` (process ${pid})`}`;
}

/** All are at 127.0.0.1, so that the port says it all: `:41234`. */
function portOf(address: string): string {
  return address.replace("udp://127.0.0.1:", ":");
}

function pidList(pids: readonly number[]): string {
  return `pid ${pids.join(", ")}`;
}

function progress(done: number, total: number): string {
  const all = grouped(total);
  return `${grouped(done).padStart(all.length)}/${all}`;
}

/** Padded, so that what follows stands in a column. */
function quote(line: number, text: string): string {
  return `line ${String(line).padStart(lineDigits)} ${`"${cut(oneLine(text), quoteLength)}"`.padEnd(quoteLength + 2)}`;
}
