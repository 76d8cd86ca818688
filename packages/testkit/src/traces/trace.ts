/**
 * Golden traces: what a node is told, and what it must say, as plain JSON. docs/vectors.md explains the format field by
 * field, for ports to other languages.
 */
import { ExpectationError, shown } from "../expectations.ts";

export interface Trace {
  readonly format: "kad-trace-1";
  readonly description: string;
  readonly node: TraceNode;
  readonly steps: readonly TraceStep[];
}

/** The node that the trace is of. */
export interface TraceNode {
  /** 32 bytes in hex. */
  readonly id: string;
  readonly mode: "server" | "client";
  /** The value of every random byte that it draws. */
  readonly randomByte: number;
  /** Largest message of the only link, which carries udp4. */
  readonly maxBytes: number;
}

/** One input, and all outputs that follow before the next. */
export interface TraceStep {
  readonly atMs: number;
  readonly input: TraceInput;
  /** What a command returns; absent for other inputs. */
  readonly returns?: unknown;
  readonly sent: readonly TraceTransmit[];
  /** Events as {@link plainOf} writes them. */
  readonly events: readonly unknown[];
  /** When it wants to be called then; `null`: not until something happens. */
  readonly deadlineMs: number | null;
}

export type TraceInput =
  | { readonly type: "message"; readonly from: string; readonly hex: string }
  | { readonly type: "timeout" }
  | { readonly type: "addressesChanged"; readonly addresses: readonly string[] }
  | { readonly type: "wallClock"; readonly unixMs: number }
  | { readonly type: "flow"; readonly open: boolean }
  | { readonly type: "deferred" | "sent"; readonly tag: number }
  | { readonly type: "sendFailed"; readonly to: string; readonly tag?: number; readonly reason: string }
  | TraceCommand
  | { readonly type: "close" };

/** `arguments` by their names in core's `Commands`, as {@link plainOf} writes them. */
export interface TraceCommand {
  readonly type: "command";
  readonly command: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface TraceTransmit {
  readonly to: string;
  readonly tag: number;
  readonly hex: string;
}

const inputTypes: ReadonlySet<string> = new Set<TraceInput["type"]>([
  "message",
  "timeout",
  "addressesChanged",
  "wallClock",
  "flow",
  "deferred",
  "sent",
  "sendFailed",
  "command",
  "close",
]);

/**
 * Takes what `JSON.parse` gave.
 * @throws ExpectationError that names the field, its value and what is allowed
 */
export function readTrace(json: unknown): Trace {
  const { format, node, steps } = objectAt<"format" | "node" | "steps">("trace", json);
  demand("trace.format", format, format === "kad-trace-1", '"kad-trace-1"');
  checkNode(node);
  for (const [i, step] of listAt("trace.steps", steps).entries()) checkStep(`trace.steps[${i}]`, step);
  return json as Trace;
}

function checkNode(json: unknown): void {
  const { id, mode, randomByte, maxBytes } = objectAt<keyof TraceNode>("trace.node", json);
  demand("trace.node.id", id, isHex(id) && id !== "", "an id in hex");
  demand("trace.node.mode", mode, mode === "server" || mode === "client", '"server" or "client"');
  demandNumber("trace.node.randomByte", randomByte);
  demandNumber("trace.node.maxBytes", maxBytes);
}

function checkStep(where: string, json: unknown): void {
  const { atMs, input, sent, events, deadlineMs } = objectAt<keyof TraceStep>(where, json);
  demandNumber(`${where}.atMs`, atMs);
  const { type } = objectAt<"type">(`${where}.input`, input);
  const isKnown = typeof type === "string" && inputTypes.has(type);
  demand(`${where}.input.type`, type, isKnown, [...inputTypes].join(", "));
  listAt(`${where}.events`, events);
  for (const [i, one] of listAt(`${where}.sent`, sent).entries()) checkTransmit(`${where}.sent[${i}]`, one);
  if (deadlineMs !== null) demandNumber(`${where}.deadlineMs`, deadlineMs);
}

function checkTransmit(where: string, json: unknown): void {
  const { to, tag, hex } = objectAt<keyof TraceTransmit>(where, json);
  demand(`${where}.to`, to, typeof to === "string", "an address as text");
  demandNumber(`${where}.tag`, tag);
  demand(`${where}.hex`, hex, isHex(hex), "bytes in hex");
}

function objectAt<K extends string>(where: string, json: unknown): Readonly<Partial<Record<K, unknown>>> {
  demand(where, json, typeof json === "object" && json !== null && !Array.isArray(json), "an object");
  return json as Readonly<Partial<Record<K, unknown>>>;
}

function listAt(where: string, json: unknown): readonly unknown[] {
  demand(where, json, Array.isArray(json), "a list");
  return json as readonly unknown[];
}

function demandNumber(where: string, json: unknown): void {
  demand(where, json, typeof json === "number", "a number");
}

function demand(where: string, json: unknown, isRight: boolean, allowed: string): void {
  if (!isRight) throw new ExpectationError(`${where}: ${shown(json)}; allowed is ${allowed}`);
}

function isHex(json: unknown): boolean {
  return typeof json === "string" && json.length % 2 === 0 && /^[0-9a-f]*$/.test(json);
}
