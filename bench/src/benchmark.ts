/**
 * What a benchmark is: contestants, each measured in a fresh process of its own, once in each round, in turn. So whatever
 * the machine does meanwhile meets all of them.
 */
interface Scale {
  /** Fewer rounds and shorter ones: shows that it works, and the order of magnitude. */
  readonly quick: boolean;
}

/** Plain data: it travels to the process that measures. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

/** One line of one table, from one process. A value that is not there is shown as a dash. */
export interface Row {
  readonly table: string;
  readonly row: string;
  readonly values: Readonly<Record<string, number | undefined>>;
}

export interface Column {
  readonly value: string;
  readonly heading: string;
  readonly digits: number;
  /** `range`: median (min-max); `median`: the median alone; `worst` and `best`: the smallest and the largest. */
  readonly show?: "range" | "median" | "worst" | "best";
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** What is compared and how to read it, in Markdown. */
  readonly about: string;
  readonly rounds: (scale: Scale) => number;
  /** One process in each round for each of them. */
  readonly contestants: (scale: Scale) => readonly Parameters[];
  /** Runs in the process that measures. */
  readonly measure: (parameters: Parameters) => Promise<readonly Row[]> | readonly Row[];
  readonly columns: (table: string) => readonly Column[];
}
