/**
 * What native code may still look at: blocks of memory and callbacks, counted, and held so that no collection takes them.
 *
 * A block that is released is filled with 0xDD, so that whoever still reads it stumbles; in quarantine it is also kept, and
 * asked later whether anybody has written to it.
 */

/** Memory that native code knows the address of. */
export interface Block {
  readonly owner: string;
  readonly bytes: Uint8Array;
  readonly size: number;
}

export interface NativeStats {
  /** Blocks of memory that are not released yet. */
  readonly blocks: number;
  readonly bytes: number;
  /** Callbacks that are registered; koffi has room for about 8,000. */
  readonly callbacks: number;
}

export interface Quarantine {
  /** The owners of blocks that somebody has written to after their release. */
  damaged(): readonly string[];
  /** How many blocks were released meanwhile. */
  readonly released: number;
  end(): void;
}

export const poison = 0xdd;

const live = new Set<Block>();
let liveBytes = 0;
let callbacks = 0;
let kept: Block[] | undefined;

export function nativeStats(): NativeStats {
  return { blocks: live.size, bytes: liveBytes, callbacks };
}

/** For tests: keeps every block that is released from now on. One at a time. */
export function quarantine(): Quarantine {
  const own: Block[] = [];
  kept = own;
  return {
    damaged: () => own.filter(({ bytes }) => bytes.some((byte) => byte !== poison)).map(({ owner }) => owner),
    get released() {
      return own.length;
    },
    end() {
      if (kept === own) kept = undefined;
    },
  };
}

export function holdBlock(block: Block): void {
  live.add(block);
  liveBytes += block.bytes.length;
}

/** `false`: it was released before. */
export function dropBlock(block: Block): boolean {
  if (!live.delete(block)) return false;
  liveBytes -= block.size;
  kept?.push(block);
  return true;
}

export function countCallback(by: 1 | -1): void {
  callbacks += by;
}
