/**
 * What goes wrong, as one line that says what, and what to do.
 *
 * Commands throw {@link Failure}, or let the node's errors pass: each code of theirs that a user can cause has a line here.
 */
import { type ExitCode, exitCode } from "./exit-code.ts";

/** An end with a message for people, and an exit code for programs. The message is one line without a full stop. */
export class Failure extends Error {
  readonly exitCode: ExitCode;

  constructor(code: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Failure";
    this.exitCode = code;
  }
}

/** The command line is wrong. */
export class WrongUsage extends Failure {
  constructor(message: string) {
    super(exitCode.usage, message);
    this.name = "WrongUsage";
  }
}

/** Any error as a {@link Failure}; what is not known here keeps its message, made one line. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const message = oneLine(error instanceof Error ? error.message : String(error));
  const options = { cause: error };
  switch (codeOf(error)) {
    case "invalidOption":
    case "invalidId":
    case "invalidAddress":
    case "invalidRecord":
    case "invalidArgument":
      return new Failure(exitCode.usage, asCommandLine(message), options);
    case "bootstrapFailed":
      return new Failure(exitCode.unreachable, bootstrapMessage(error), options);
    case "putFailed":
      return new Failure(exitCode.failed, putMessage(error), options);
    case "unresolvableHost":
      return new Failure(exitCode.unreachable, message, options);
    case "addressInUse":
      return new Failure(
        exitCode.cannotListen,
        `${urlOf(error)} is in use by another program; choose another port, or port 0 for any free one`,
        options,
      );
    case "addressNotAvailable":
      return new Failure(
        exitCode.cannotListen,
        `${urlOf(error)}: this machine has no such address; 0.0.0.0 and [::] are all that it has`,
        options,
      );
    case "notPermitted":
      return new Failure(
        exitCode.cannotListen,
        `${urlOf(error)}: the system does not allow it; ports below 1024 often need privileges, others do not`,
        options,
      );
    case "listenFailed":
      return new Failure(exitCode.cannotListen, message, options);
    case "ENOENT":
      return new Failure(exitCode.usage, `${pathOf(error)}: there is no such file`, options);
    case "EISDIR":
      return new Failure(exitCode.usage, `${pathOf(error)}: this is a folder, not a file`, options);
    case "EACCES":
      return new Failure(exitCode.usage, `${pathOf(error)}: the system does not let us read it`, options);
    default:
      return new Failure(exitCode.failed, message, options);
  }
}

/** Text as one line without control characters: some of it comes from files, arguments and strangers. */
export function oneLine(text: string): string {
  return text
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\p{Cc}/gu, "\u{fffd}")
    .trim();
}

/** What the node calls `listen` and `bootstrap[0]` was typed as an option. */
function asCommandLine(message: string): string {
  return message.replace(/^(listen|bootstrap)(?:\[\d+\])?:/, "--$1:");
}

function bootstrapMessage(error: unknown): string {
  const { seeds } = error as {
    readonly seeds: readonly { readonly address: string; readonly reason: string }[];
  };
  const silent = seeds.filter(({ reason }) => reason.startsWith("no answer"));
  const others = seeds.filter((seed) => !silent.includes(seed));
  return oneLine(
    [
      ...(silent.length > 0 ? [noAnswerAt(silent.map(({ address }) => address))] : []),
      ...others.map(({ address, reason }) => (reason.startsWith(address) ? reason : `${address}: ${reason}`)),
    ].join("; "),
  );
}

/** Of nodes that were to let us in. */
export function noAnswerAt(addresses: readonly string[]): string {
  return `no node answered at ${addresses.map(oneLine).join(", ")}; is one running there?`;
}

function putMessage(error: unknown): string {
  const { accepted, asked, refusals } = error as {
    readonly accepted: number;
    readonly asked: number;
    readonly refusals: Readonly<Record<string, number>>;
  };
  if (asked === 0) return "the record is not stored: no node answered that could keep it";
  const reasons = Object.entries(refusals).map(([reason, count]) => `, ${count} ${reason}`);
  return `the record is not stored: ${accepted} of ${asked} holders took it${reasons.join("")}`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function urlOf(error: unknown): string {
  return (error as { readonly url: string }).url;
}

function pathOf(error: unknown): string {
  const { path } = error as NodeJS.ErrnoException;
  return path === undefined ? "the file" : oneLine(path);
}
