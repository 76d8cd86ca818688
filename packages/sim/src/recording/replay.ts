/**
 * Plays a recording: makes the node anew, gives it the same calls with the same draws, and holds what it gives against what
 * it gave then.
 */
import {
  KadError,
  KadNode,
  NodeId,
  type NodeOptions,
  type Protocol,
  type ProviderValidator,
  type RecordValidator,
  type Sha256,
  type StoredRecord,
} from "@kad/core";
import { checksumOf } from "../checksum.ts";
import type { NodeMachine } from "../machine-layer.ts";
import { platformSha256 } from "../sha256.ts";
import { type Json, type RecordedCall, type RecordingHeader, recordingVersion } from "./format.ts";
import { ReplayedHost } from "./replayed-host.ts";
import { describeError, toJson } from "./values.ts";

export interface ReplayOptions {
  /** That of `node:crypto` by default, where there is one. */
  readonly sha256?: Sha256;
  /** The record types that the host had added, by name. */
  readonly validators?: Readonly<Record<string, RecordValidator>>;
  /** What the host had demanded of providers. */
  readonly providerValidator?: ProviderValidator;
  /** What the node spoke; the native protocol by default. */
  readonly protocol?: (addresses: NodeOptions["addresses"]) => Protocol;
  /** Makes the machine; `KadNode` by default. */
  readonly machine?: (options: NodeOptions) => NodeMachine;
  /** Told of every call once it was made again: for people, who want to see what went on. */
  readonly onCall?: (call: ReplayedCall) => void;
}

export interface ReplayedCall {
  /** Counted from 1, the header's. */
  readonly line: number;
  readonly call: RecordedCall;
  /** What `poll` has written; borrowed. */
  readonly bytes: Uint8Array | undefined;
}

/** Where the node did not do what it did then. */
export interface Difference {
  readonly line: number;
  /** In ms, where the call has a time. */
  readonly atMs: number | undefined;
  readonly call: string;
  /** As JSON. */
  readonly recorded: string;
  readonly replayed: string;
}

export interface ReplayReport {
  readonly header: RecordingHeader;
  /** Calls that were made again. */
  readonly calls: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly events: number;
  /** The first; nothing was played behind it. */
  readonly difference: Difference | undefined;
  /** How the recording ends: by itself, at its bound, or broken off. */
  readonly end: "ended" | "full" | "cut";
}

/** The file is no recording, or one that cannot be played here. */
export class RecordingError extends KadError {
  declare readonly code: "malformed" | "unsupported";

  /** @internal */
  constructor(code: RecordingError["code"], message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}

/**
 * @param lines without line feeds; an unfinished last line is left out
 * @throws RecordingError that names the line; UsageError `invalidOption` for want of a sha256
 */
export function replay(lines: Iterable<string>, options: ReplayOptions = {}): ReplayReport {
  const player = new Player(options);
  let line = 0;
  for (const text of lines) {
    line++;
    if (!player.play(line, text)) break;
  }
  return player.report(line);
}

/** The same of lines that come as they are read: a long recording need not fit into memory. Rejects as {@link replay} throws. */
export async function replayStream(
  lines: AsyncIterable<string>,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const player = new Player(options);
  let line = 0;
  for await (const text of lines) {
    line++;
    if (!player.play(line, text)) break;
  }
  return player.report(line);
}

const scratchBytes = 65_536;

class Player {
  readonly #options: ReplayOptions;
  readonly #host = new ReplayedHost();
  readonly #stored: StoredRecord[] = [];
  #into: Uint8Array = new Uint8Array(scratchBytes);
  #header: RecordingHeader | undefined;
  #machine: NodeMachine | undefined;
  #end: ReplayReport["end"] = "cut";
  #difference: Difference | undefined;
  /** A line that is no JSON: if it is the last, its writer has crashed. */
  #broken: RecordingError | undefined;
  #calls = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #events = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  report(lines: number): ReplayReport {
    if (this.#header === undefined) throw this.#broken ?? malformed(lines, "it is empty");
    return {
      header: this.#header,
      calls: this.#calls,
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      events: this.#events,
      difference: this.#difference,
      end: this.#end,
    };
  }

  /** `false`: enough. */
  play(line: number, text: string): boolean {
    if (this.#broken !== undefined) throw this.#broken;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      this.#broken = malformed(line, "it is no JSON");
      return true;
    }
    try {
      if (this.#header === undefined) this.#header = this.#readHeader(line, json);
      else return this.#playCall(line, json as RecordedCall);
      return true;
    } catch (error) {
      if (error instanceof RecordingError) throw error;
      throw malformed(line, describeError(error), error);
    }
  }

  #readHeader(line: number, json: unknown): RecordingHeader {
    const header = json as RecordingHeader;
    if (typeof header?.recording !== "number")
      throw malformed(line, "it is not the first line of a recording");
    if (header.recording !== recordingVersion) {
      throw new RecordingError(
        "unsupported",
        `recording of version ${header.recording}; this version plays ${recordingVersion}`,
      );
    }
    const { validators = {}, providerValidator } = this.#options;
    const missing = header.validators.filter((name) => validators[name] === undefined);
    if (header.hasProviderValidator === true && providerValidator === undefined)
      missing.push("the one of providers");
    if (missing.length > 0)
      throw new RecordingError("unsupported", `validators: the recording needs ${missing.join(", ")}`);
    return header;
  }

  #playCall(line: number, call: RecordedCall): boolean {
    const host = this.#host;
    host.begin(call);
    if (call.c === "stored") this.#stored.push(host.value(call.a?.[0] ?? null) as StoredRecord);
    else if (call.c === "end") this.#end = call.r === "full" ? "full" : "ended";
    else if (call.c === "made") this.#machine = this.#make(this.#header as RecordingHeader);
    else return this.#playOn(line, call, this.#machine);
    const unlike = host.end();
    if (unlike !== undefined) this.#differ(line, call, call.draws?.join(" ") ?? "nothing", unlike);
    return this.#end === "cut" && unlike === undefined;
  }

  #make(header: RecordingHeader): NodeMachine {
    const { sha256 = platformSha256(), validators, providerValidator, protocol, machine } = this.#options;
    const addresses = this.#host;
    const options: NodeOptions = {
      id: NodeId.fromHex(header.id),
      mode: header.mode,
      padRequests: header.padRequests,
      limits: header.limits,
      random: this.#host.random,
      sha256,
      addresses,
      validators: only(header.validators, validators),
      ...(header.hasProviderValidator === true && providerValidator !== undefined && { providerValidator }),
      ...(protocol !== undefined && { protocol: protocol(addresses) }),
      ...(header.hasStore && { store: this.#host.storeOf(this.#stored) }),
    };
    return machine?.(options) ?? new KadNode(options);
  }

  #playOn(line: number, call: RecordedCall, machine: NodeMachine | undefined): boolean {
    if (machine === undefined) throw malformed(line, `a call of ${call.c} before the node was made`);
    this.#calls++;
    const args = (call.a ?? []).map((arg) => this.#host.value(arg));
    let result: Json;
    try {
      result = this.#call(machine, call, args);
    } catch (error) {
      if (error instanceof RecordingError) throw error;
      result = { $error: describeError(error) };
    }
    const unlike = this.#host.end();
    const [recorded, replayed] = [JSON.stringify(call.r ?? null), JSON.stringify(result)];
    if (recorded !== replayed) this.#differ(line, call, recorded, replayed);
    else if (unlike !== undefined) this.#differ(line, call, call.draws?.join(" ") ?? "nothing", unlike);
    const length = call.c === "poll" && result !== null ? (result as { length: number }).length : undefined;
    const bytes = length === undefined ? undefined : this.#into.subarray(0, length);
    this.#options.onCall?.({ line, call, bytes });
    return this.#difference === undefined;
  }

  #differ(line: number, call: RecordedCall, recorded: string, replayed: string): void {
    this.#difference = { line, atMs: call.t, call: call.c, recorded, replayed };
  }

  #call(machine: NodeMachine, { c, t = 0 }: RecordedCall, args: readonly unknown[]): Json {
    switch (c) {
      case "networkEvent":
        if ((args[0] as { type?: unknown }).type === "message") this.#messagesIn++;
        machine.handleNetworkEvent(t, args[0] as Parameters<NodeMachine["handleNetworkEvent"]>[1]);
        return null;
      case "timeout":
        machine.handleTimeout(t);
        return null;
      case "poll":
        return this.#poll(machine, t, Number(args[0]));
      case "event": {
        const event = machine.pollEvent();
        if (event !== undefined) this.#events++;
        return toJson(event);
      }
      case "deadline":
        return toJson(machine.nextDeadline());
      case "close":
        machine.close(t);
        return null;
      case "setProtocols":
      case "clearTimer":
        return toJson(methodOf(machine, c)(...args));
      default:
        return toJson(methodOf(machine, c)(t, ...args));
    }
  }

  #poll(machine: NodeMachine, t: number, room: number): Json {
    if (room > this.#into.length) this.#into = new Uint8Array(room);
    const transmit = machine.pollTransmit(t, this.#into.subarray(0, room));
    if (transmit === undefined) return null;
    this.#messagesOut++;
    return toJson({ ...transmit, checksum: checksumOf(this.#into.subarray(0, transmit.length)) });
  }
}

function methodOf(machine: NodeMachine, name: string): (...args: unknown[]) => unknown {
  const method = (machine as unknown as Record<string, unknown>)[name];
  if (typeof method !== "function")
    throw new RecordingError("unsupported", `a call of ${name}, which no node has`);
  return (method as (...args: unknown[]) => unknown).bind(machine);
}

function malformed(line: number, reason: string, cause?: unknown): RecordingError {
  return new RecordingError("malformed", `line ${line}: ${reason}`, { cause });
}

/** Those that the node had: others would take records that it refused. */
function only(
  names: readonly string[],
  validators: Readonly<Record<string, RecordValidator>> = {},
): Readonly<Record<string, RecordValidator>> {
  return Object.fromEntries(Object.entries(validators).filter(([name]) => names.includes(name)));
}
