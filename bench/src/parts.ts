/** To which part of a node a function belongs, for profiles: by the file that it stands in. */
export const parts = [
  "codec",
  "routing table",
  "requests: ids, timers, round trips",
  "walks and queries",
  "answers",
  "node, events, the rest of core",
  "driver and router",
  "transport-udp",
  "loop-node",
  "Node's own JavaScript",
  "garbage collection",
  "native code",
  "this benchmark",
] as const;

export type Part = (typeof parts)[number];

const byFile: readonly (readonly [RegExp, Part])[] = [
  [/\/core\/dist\/(?:wire\/|message-writer|address|bytes|node-id)/, "codec"],
  [/\/core\/dist\/(?:routing-table|k-bucket|diversity|distance)/, "routing table"],
  [/\/core\/dist\/(?:rpc|timers|peer-history|in-flight-window)/, "requests: ids, timers, round trips"],
  [
    /\/core\/dist\/(?:lookup|walk|quer|find-query|network-size|get-query|put-query|disjoint)/,
    "walks and queries",
  ],
  [/\/core\/dist\/(?:responder|rate-limiter|write-token|record)/, "answers"],
  [/\/core\/dist\/(?:driver|plugin|transport)/, "driver and router"],
  [/\/core\/dist\//, "node, events, the rest of core"],
  [/\/transport-udp\/dist\//, "transport-udp"],
  [/\/adapters\/node\/dist\//, "loop-node"],
  [/^node:/, "Node's own JavaScript"],
  [/\/bench\//, "this benchmark"],
];

/** `undefined` for waiting. */
export function partOf({
  functionName,
  url,
}: {
  readonly functionName: string;
  readonly url: string;
}): Part | undefined {
  if (functionName === "(idle)") return undefined;
  if (functionName === "(garbage collector)") return "garbage collection";
  return byFile.find(([pattern]) => pattern.test(url))?.[1] ?? "native code";
}
