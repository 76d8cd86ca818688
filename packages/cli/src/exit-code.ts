/**
 * Exit codes. They are stable: scripts branch on them.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 130;

/** For `kad --help`, in order. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = Object.freeze({
  0: "it worked",
  1: "it did not work; the line on stderr says why",
  2: "the command line is wrong: a command, option, URL, key or value",
  3: "nobody has the record, or has announced the key",
  4: "no node answered at the addresses given",
  5: "the address to listen on is taken or not to be had",
  6: "a part of the file is missing, or was not taken",
  130: "interrupted before it was done",
});

export interface ExitCodes {
  readonly ok: 0;
  readonly failed: 1;
  readonly usage: 2;
  readonly notFound: 3;
  readonly unreachable: 4;
  readonly cannotListen: 5;
  readonly incomplete: 6;
  /** 128 + SIGINT, as shells have it; of any signal that ended the work early. */
  readonly interrupted: 130;
}

export const exitCode: ExitCodes = Object.freeze({
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  cannotListen: 5,
  incomplete: 6,
  interrupted: 130,
});
