/**
 * What goes wrong, as one line that says what, and what to do.
 *
 * Commands throw {@link Failure}, or let the node's errors pass: each code of theirs that a user can cause has a line here.
 */
import type { FileIncomplete, FilePutOutcome, MissingPart } from "@kad/dht";
import { type ExitCode, exitCode } from "./exit-code.ts";
import { grouped, plural } from "./text.ts";

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
  constructor(message: string, options?: ErrorOptions) {
    super(exitCode.usage, message, options);
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
    case "announceFailed":
      return new Failure(exitCode.failed, announceMessage(error), options);
    case "filePutFailed":
      return new Failure(exitCode.incomplete, filePutMessage(error), options);
    case "fileIncomplete":
      return fileIncomplete(error);
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
    case "fileNotFound":
      return new Failure(exitCode.usage, `${message}; kad new makes one`, options);
    case "fileExists":
    case "fileNotPrivate":
    case "fileMalformed":
      return new Failure(exitCode.usage, message, options);
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
  return `no node answered at ${addresses.map(oneLine).join(", ")}; is one running there, and in the same network (--network-key, --insecure)?`;
}

function putMessage(error: unknown): string {
  return `the record is not stored: ${outcomeOf(error)}`;
}

function announceMessage(error: unknown): string {
  return `the key is not announced: ${outcomeOf(error)}`;
}

/** `2 of 20 holders took it, 18 full`. */
function outcomeOf(error: unknown): string {
  const { accepted, asked, refusals } = error as {
    readonly accepted: number;
    readonly asked: number;
    readonly refusals: Readonly<Record<string, number>>;
  };
  if (asked === 0) return "no node answered that could keep it";
  const reasons = Object.entries(refusals).map(([reason, count]) => `, ${count} ${reason}`);
  return `${accepted} of ${asked} holders took it${reasons.join("")}`;
}

function filePutMessage(error: unknown): string {
  const { stored, chunks, cause } = error as FilePutOutcome & { readonly cause?: unknown };
  const why = codeOf(cause) === "putFailed" ? ` (of the next, ${outcomeOf(cause)})` : "";
  return (
    `the file is not stored: ${grouped(stored)} of ${plural(chunks, "chunk")} read so far found holders${why}; ` +
    "the same command again goes on from there"
  );
}

/** Parts named one by one; the others are counted. */
const partsNamed = 3;

function fileIncomplete(error: unknown): Failure {
  const { key, missing, missingParts, size, checkedTo } = error as FileIncomplete;
  const options = { cause: error };
  if (size === undefined) return new Failure(exitCode.notFound, `nobody has ${key.toHex()}`, options);
  const named = missing.slice(0, partsNamed).map(nameOfPart); // slice: a list of parts
  const more = missingParts > named.length ? ` and ${grouped(missingParts - named.length)} more` : "";
  const beyond = checkedTo < size ? `; what follows byte ${grouped(checkedTo)} was not looked for` : "";
  return new Failure(
    exitCode.incomplete,
    `the file of ${plural(size, "byte")} is incomplete: nobody has ${named.join(", ")}${more}${beyond}`,
    options,
  );
}

/** `chunk 4 (bytes 3,968 to 4,959)`. */
function nameOfPart({ firstChunk, chunks = 1, offset, bytes = 0 }: MissingPart): string {
  const last = firstChunk + chunks - 1;
  const name =
    chunks === 1 ? `chunk ${grouped(firstChunk)}` : `chunks ${grouped(firstChunk)} to ${grouped(last)}`;
  return `${name} (bytes ${grouped(offset)} to ${grouped(offset + bytes - 1)})`;
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
