/**
 * What the command touches of its process, so that a test can run it in its own.
 */

/** Where text and bytes go; every `NodeJS.WritableStream` is one. */
export interface Output {
  /** `false`: it has more to write than it likes, and will tell by `drain` when it wants more. Anything else is fine. */
  write(chunk: string | Uint8Array): unknown;
  once?(event: "drain", listener: () => void): unknown;
  off?(event: "drain", listener: () => void): unknown;
}

/** The variables that mean something here; those that nobody knows are ignored, as everywhere. */
export interface Env {
  readonly KAD_BOOTSTRAP?: string | undefined;
  readonly KAD_IDENTITY?: string | undefined;
  readonly KAD_NETWORK_KEY?: string | undefined;
  readonly KAD_DEBUG?: string | undefined;
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

export interface Io {
  /** Read by `kad put -` and by `--exit-with-stdin` only. */
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Results. */
  readonly stdout: Output;
  /** Progress and complaints. */
  readonly stderr: Output;
  readonly env: Env;
  /** Aborted by SIGINT, SIGTERM and the like: the command cleans up and returns. */
  readonly signal: AbortSignal;
  /** Whether `stdout` is a terminal: lines may be drawn over. */
  readonly isTTY: boolean;
  /** The same of `stderr`, where one-shot commands show their progress; `false` when absent. */
  readonly isErrorTTY?: boolean;
  /** Width of the terminal in characters; read whenever something is drawn. */
  readonly columns: number;
  /** Program and arguments that run `kad` once more, for nodes in processes of their own. */
  readonly kad: readonly string[];
}
