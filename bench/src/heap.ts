/** What is alive on the heap of this process, after garbage collection. Needs `--expose-gc`, which its processes get. */
export function collectedHeap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

export interface Memory {
  readonly heap: number;
  /** Array buffers, and what native code has told the engine of. */
  readonly external: number;
}

export function collectedMemory(): Memory {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, external };
}

/** More than once: what a first pass finalizes, a second one frees. */
function collect(): void {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("start this process with --expose-gc");
  for (let i = 0; i < 4; i++) gc();
}
