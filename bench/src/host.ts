/** The machine that figures are from. */
import { cpus, loadavg, release, totalmem, type } from "node:os";

export interface HostDescription {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Of the last minute. */
  readonly load: number;
}

export function describeHost(): HostDescription {
  const processors = cpus();
  return {
    cpu: (processors[0]?.model ?? "unknown").trim(),
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    load: loadAverage(),
  };
}

/** Of the last minute: above the number of cores, wall-clock figures mean little. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
