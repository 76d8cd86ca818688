/**
 * What our packages may add to a program: minified, with brotli, and with all that they bring along unless it is ignored.
 * Each limit is about a tenth above what was measured when it was set; raise one when what it pays for is worth it.
 */
const budgets = [
  { name: "@kad/core", folder: "packages/core", limit: "52 kB" },
  {
    name: "@kad/core: ids and distances alone",
    folder: "packages/core",
    limit: "770 B",
    import: "{ NodeId, compareDistance }",
  },
  { name: "@kad/dht", folder: "packages/dht", limit: "138 kB" },
  {
    name: "@kad/transport-udp, beside core",
    folder: "packages/transport-udp",
    limit: "2.7 kB",
    ignore: ["@kad/core"],
  },
  { name: "@kad/sim, beside core", folder: "packages/sim", limit: "30 kB", ignore: ["@kad/core"] },
  {
    name: "@kad/transport-tcp, beside core",
    folder: "packages/transport-tcp",
    limit: "5 kB",
    ignore: ["@kad/core"],
  },
  {
    name: "@kad/transport-websocket, beside core and ws",
    folder: "packages/transport-websocket",
    limit: "5 kB",
    ignore: ["@kad/core", "ws"],
  },
  {
    name: "@kad/crypto, beside core, with the noble packages",
    folder: "packages/crypto",
    limit: "37 kB",
    platform: "browser",
    ignore: ["@kad/core"],
  },
  {
    name: "@kad/crypto, beside core: what a page needs",
    folder: "packages/crypto",
    limit: "25 kB",
    import: "{ Credentials, SeedIdentity, nobleProvider, secure, secureStreams, systemRandom }",
    platform: "browser",
    ignore: ["@kad/core"],
  },
  {
    name: "@kad/loop-browser, beside core",
    folder: "adapters/browser",
    limit: "1.2 kB",
    ignore: ["@kad/core"],
  },
  { name: "@kad/loop-node, beside core", folder: "adapters/node", limit: "950 B", ignore: ["@kad/core"] },
  { name: "@kad/loop-poll, beside core", folder: "adapters/poll", limit: "2 kB", ignore: ["@kad/core"] },
  {
    name: "@kad/loop-epoll, beside core",
    folder: "adapters/epoll",
    limit: "4.6 kB",
    ignore: ["@kad/core", "koffi"],
  },
  {
    name: "@kad/loop-libuv, beside core",
    folder: "adapters/libuv",
    limit: "8.8 kB",
    ignore: ["@kad/core", "koffi"],
  },
  { name: "@kad/cli", folder: "packages/cli", limit: "200 kB" },
];

/** What a page loads, as pages load it: with gzip. A package that needed Node could not be bundled for it. */
const plain = {
  "packages/core/dist/index.js": "{ KadNode, AddressTable, NodeId }",
  "adapters/browser/dist/index.js": "{ runNode }",
  "packages/transport-websocket/dist/browser/index.js": "{ webSocket }",
};
const crypto = "packages/crypto/dist/index.js";
const encryption = "secure, secureStreams, Credentials, SeedIdentity, nobleProvider, systemRandom";
const pages = [
  { name: "a node in a page: core, its loop and WebSocket", limit: "59 kB", import: plain },
  { name: "the same, encrypted", limit: "88 kB", import: { ...plain, [crypto]: `{ ${encryption} }` } },
  {
    name: "the same, with records that are signed",
    limit: "90 kB",
    import: { ...plain, [crypto]: `{ ${encryption}, MutableRecords, SignedProviders }` },
  },
].map((budget) => ({
  ...budget,
  gzip: true,
  path: Object.keys(budget.import),
  modifyEsbuildConfig: (config) => ({ ...config, format: "esm", platform: "browser" }),
}));

export default [
  ...pages,
  ...budgets.map(({ folder, platform = "node", ...budget }) => ({
    ...budget,
    path: `${folder}/dist/index.js`,
    modifyEsbuildConfig: (config) => ({ ...config, format: "esm", platform }),
  })),
];
