/**
 * Which workspace may build on which. Imports run one way only:
 *
 *     examples, bench → cli → dht → adapters, transports, crypto, stores, sim → native → core
 *
 * `native` is what leaves share that call the system's own functions (docs/decisions/0025-native-calls.md). Discovery,
 * pub/sub and the testkit stand on core alone. A leaf never imports a sibling leaf, so that each can be taken without the
 * others. A new package needs a row here before the check passes.
 */
export type Layer = "core" | "native" | "leaf" | "plugin" | "testkit" | "node" | "top";

const layerOfFolder: readonly (readonly [RegExp, Layer])[] = [
  [/^packages\/core$/, "core"],
  [/^packages\/native$/, "native"],
  [/^packages\/(?:crypto|sim|transport-[^/]+|store-[^/]+)$/, "leaf"],
  [/^adapters\/[^/]+$/, "leaf"],
  [/^packages\/(?:discovery|pubsub)$/, "plugin"],
  [/^packages\/testkit$/, "testkit"],
  [/^packages\/dht$/, "node"],
  [/^packages\/cli$/, "top"],
  [/^(?:bench|examples\/[^/]+|tools\/[^/]+)$/, "top"],
];

const mayUse: Readonly<Record<Layer, readonly Layer[]>> = {
  core: [],
  native: ["core"],
  leaf: ["core", "native"],
  plugin: ["core"],
  testkit: ["core"],
  node: ["core", "leaf"],
  top: ["core", "native", "leaf", "plugin", "testkit", "node", "top"],
};

/** Tests ship to nobody, so a leaf may be tried against another leaf; upward imports stay forbidden. */
const testsMayUse: Readonly<Record<Layer, readonly Layer[]>> = {
  core: [],
  native: ["core"],
  leaf: ["core", "native", "leaf", "testkit"],
  plugin: ["core", "leaf", "testkit"],
  testkit: ["core", "leaf"],
  node: ["core", "native", "leaf", "testkit"],
  top: mayUse.top,
};

/** Layers whose sources import nothing but what {@link mayUse} names: no Node module, no other package. */
const pure: ReadonlySet<Layer> = new Set<Layer>(["core", "plugin", "testkit"]);

/** `undefined` for a folder that has no row yet. */
export function layerOf(folder: string): Layer | undefined {
  return layerOfFolder.find(([pattern]) => pattern.test(folder))?.[1];
}

export function mayImport(from: Layer, to: Layer, isTest: boolean): boolean {
  return (isTest ? testsMayUse : mayUse)[from].includes(to);
}

export function isPure(layer: Layer): boolean {
  return pure.has(layer);
}
