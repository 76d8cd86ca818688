import { expectEqual } from "../expectations.ts";
import type { TraceStep } from "./trace.ts";

/** Compares a step as it turned out with the trace, field by field. */
export function expectStep(number: number, actual: TraceStep, expected: TraceStep): void {
  const what = `step ${number}, ${nameOf(expected)} at ${expected.atMs} ms`;
  expectEqual(`${what}: what is sent`, actual.sent, expected.sent);
  expectEqual(`${what}: events`, actual.events, expected.events);
  expectEqual(`${what}: what is returned`, actual.returns, expected.returns);
  expectEqual(`${what}: the next deadline`, actual.deadlineMs, expected.deadlineMs);
}

function nameOf({ input }: TraceStep): string {
  return input.type === "command" ? input.command : input.type;
}
