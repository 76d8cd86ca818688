/** XOR distances for checking results: by the first 48 bits, in which two of a few thousand random ids never agree. */
export function distanceOf(a: Uint8Array, b: Uint8Array): number {
  return (wordAt(a, 0) ^ wordAt(b, 0)) * 2 ** 24 + (wordAt(a, 3) ^ wordAt(b, 3));
}

function wordAt(id: Uint8Array, at: number): number {
  return ((id[at] as number) << 16) | ((id[at + 1] as number) << 8) | (id[at + 2] as number);
}

/** Whether `found` are the `count` nearest of `all` to `target`, as a set; and whether the nearest come first. */
export function score(
  target: Uint8Array,
  found: readonly Uint8Array[],
  all: readonly Uint8Array[],
  count: number,
): { readonly exact: boolean; readonly sorted: boolean; readonly recall: number } {
  const distances = Float64Array.from(all, (id) => distanceOf(target, id)).sort();
  const wanted = Math.min(count, distances.length);
  const limit = distances[wanted - 1] as number;
  const given = found.map((id) => distanceOf(target, id));
  const right = new Set(given.filter((distance) => distance <= limit)).size;
  return {
    exact: right === wanted && given.length === wanted,
    sorted: given.every((distance, i) => i === 0 || distance > (given[i - 1] as number)),
    recall: right / wanted,
  };
}
