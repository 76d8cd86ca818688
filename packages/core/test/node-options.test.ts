import { describe, expect, it } from "vitest";
import {
  type Address,
  AddressTable,
  type Contact,
  immutableRecord,
  KadNode,
  limitSpecs,
  NodeId,
  type NodeOptions,
  nativeProtocol,
  openRecord,
  type Seed,
  type UsageError,
  type UsageErrorCode,
} from "../src/index.ts";
import { seededRandom, sha256 } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";

function optionsWith(changes: Readonly<Record<string, unknown>>): NodeOptions {
  const good: NodeOptions = {
    id: numbered(0),
    random: seededRandom(1),
    sha256,
    addresses: new AddressTable(),
  };
  return { ...good, ...changes } as NodeOptions;
}

function errorOf(call: () => unknown): UsageError {
  try {
    call();
  } catch (error) {
    return error as UsageError;
  }
  throw new Error("nothing was thrown");
}

describe("the options of a node", () => {
  const bad: readonly [name: string, value: unknown, says: string][] = [
    ["id", numbered(0, 20), "32 bytes"],
    ["id", "0a", "32 bytes"],
    ["id", undefined, "32 bytes"],
    ["random", {}, "fill"],
    ["random", undefined, "fill"],
    ["sha256", "sha256", "function"],
    ["addresses", undefined, "AddressCodec"],
    ["mode", "auto", '"server" or "client"'],
    ["validators", { immutable: {} }, "validators.immutable"],
    ["providerValidator", {}, "a ProviderValidator"],
  ];
  it.each(bad)("%s: %s is refused with the option, the value and what is allowed", (name, value, says) => {
    const error = errorOf(() => new KadNode(optionsWith({ [name]: value })));
    expect(error).toMatchObject({ name: "UsageError", code: "invalidOption" });
    expect(error.message).toContain(name);
    expect(error.message).toContain(says);
  });

  it.each(Object.keys(limitSpecs) as (keyof typeof limitSpecs)[])(
    "limits.%s is checked against its range",
    (name) => {
      const { min, max } = limitSpecs[name];
      for (const value of [min - 1, max + 1, 1.5, "20", Number.NaN]) {
        const error = errorOf(() => new KadNode(optionsWith({ limits: { [name]: value } })));
        expect(error.code).toBe("invalidOption");
        expect(error.message).toContain(`limits.${name}`);
        expect(error.message).toContain(`${min} to ${max}`);
      }
    },
  );

  it("say which limits there are: an unknown one is refused", () => {
    const error = errorOf(() => new KadNode(optionsWith({ limits: { bucketsize: 20 } })));
    expect(error.message).toContain("limits.bucketsize");
  });

  it("have defaults: an id, randomness, a hash and addresses are enough", () => {
    const node = new KadNode(optionsWith({}));
    expect(node.id).toEqual(numbered(0));
    expect(node.table.size).toBe(0);
    expect(node.drained).toBe(false);
    expect(node.stats().gauges.records.limit).toBe(limitSpecs.maxRecords.value);
  });

  it("leave room for our own records when those of others fill their caps", () => {
    const stage = new Stage({ limits: { maxRecords: 2, maxRecordBytes: 200, maxRecordsPerSource: 10 } });
    const peer = stage.stranger(1);
    for (let i = 0; i < 3; i++) {
      const { key, body } = immutableRecord(sha256, Uint8Array.of(i));
      const nodes = stage.answerTo(peer, { type: "findNode", target: key, wantToken: true });
      const token = nodes?.type === "nodes" ? nodes.token : undefined;
      const record = { typeCode: 1, key, lifetimeMs: 60_000, body };
      const answer = stage.answerTo(peer, { type: "putValue", token, record });
      expect(answer).toEqual(i < 2 ? { type: "stored" } : { type: "refused", reason: "full" });
    }
    const own = immutableRecord(sha256, Uint8Array.of(9));
    stage.node.put(stage.nowMs, own);
    const value = stage.answerTo(peer, { type: "getValue", key: own.key });
    expect(value?.type).toBe("value");
  });
});

describe("a command that cannot be", () => {
  const good = numbered(5);
  const short = numbered(5, 20);
  const at = (stage: Stage): Seed => ({ addresses: [stage.stranger(1).path.remote] });
  const nowhere = { id: good, addresses: [] };
  const bad: readonly [name: string, call: (stage: Stage) => unknown, code: UsageErrorCode, says: RegExp][] =
    [
      [
        "findNode for an id of another length",
        ({ node }) => node.findNode(1, short),
        "invalidId",
        /target.*20.*32 bytes/,
      ],
      [
        "findNode for what is no id",
        ({ node }) => node.findNode(1, "0a" as unknown as NodeId),
        "invalidId",
        /target.*32 bytes/,
      ],
      ["get of a key of another length", ({ node }) => node.get(1, short), "invalidId", /key.*20.*32 bytes/],
      [
        "put under a key of another length",
        ({ node }) => node.put(1, { type: "immutable", key: short, body: new Uint8Array(1) }),
        "invalidId",
        /record\.key.*20.*32 bytes/,
      ],
      [
        "put of a value that is too large",
        ({ node }) => node.put(1, { type: "immutable", key: good, body: new Uint8Array(1_001) }),
        "invalidRecord",
        /body.*1001.*1000 bytes/,
      ],
      [
        "put of a value that its key does not prove",
        ({ node }) => node.put(1, { type: "immutable", key: good, body: new Uint8Array(1) }),
        "invalidRecord",
        /immutable.*hash/,
      ],
      [
        "put of an unknown type",
        ({ node }) => node.put(1, { type: "signed", key: good, body: new Uint8Array(1) }),
        "invalidRecord",
        /signed.*immutable, open/,
      ],
      [
        "put with a lifetime that is out of range",
        ({ node }) => node.put(1, { ...openRecord(sha256, "n", new Uint8Array(1), 1), lifetimeMs: 0 }),
        "invalidRecord",
        /lifetimeMs.*0.*86400000/,
      ],
      [
        "ping to nowhere",
        ({ node }) => node.ping(1, { addresses: [] }),
        "invalidArgument",
        /addresses.*none.*at least one/,
      ],
      [
        "ping to a text instead of an address",
        (stage) =>
          stage.node.ping(1, {
            addresses: [...at(stage).addresses, "udp://127.0.0.1:1" as unknown as Address],
          }),
        "invalidArgument",
        /to\.addresses\[1\]: "udp:\/\/127\.0\.0\.1:1"; allowed is an Address/,
      ],
      [
        "ping to an id of another length",
        (stage) => stage.node.ping(1, { ...at(stage), id: short }),
        "invalidId",
        /id.*20.*32 bytes/,
      ],
      [
        "bootstrap from a seed without an address",
        (stage) => stage.node.bootstrap(1, [at(stage), { addresses: [] }]),
        "invalidArgument",
        /addresses.*none/,
      ],
      [
        "bootstrap from an id of another length",
        (stage) => stage.node.bootstrap(1, [{ ...at(stage), id: short }]),
        "invalidId",
        /id.*20.*32 bytes/,
      ],
      [
        "addContact without an address",
        ({ node }) => node.addContact(1, nowhere),
        "invalidArgument",
        /addresses/,
      ],
      [
        "addContact with an id of another length",
        (stage) => stage.node.addContact(1, { ...at(stage), id: short }),
        "invalidId",
        /contact\.id.*20.*32 bytes/,
      ],
      [
        "send with a protocol that has no name",
        (stage) => stage.node.send(1, at(stage), "", new Uint8Array(1)),
        "invalidArgument",
        /protocol.*1 to 64/,
      ],
      [
        "send with a protocol whose name is too long",
        (stage) => stage.node.send(1, at(stage), "x".repeat(65), new Uint8Array(1)),
        "invalidArgument",
        /protocol.*1 to 64/,
      ],
      [
        "send of what is no bytes",
        (stage) => stage.node.send(1, at(stage), "talk", "hello" as unknown as Uint8Array),
        "invalidArgument",
        /body.*Uint8Array/,
      ],
      [
        "put of what is no bytes",
        ({ node }) => node.put(1, { type: "immutable", key: good, body: "hello" as unknown as Uint8Array }),
        "invalidRecord",
        /body.*Uint8Array/,
      ],
      [
        "setProtocols with a name that is not ASCII",
        ({ node }) => node.setProtocols(["talk", "gespräch"]),
        "invalidArgument",
        /protocol.*gespr/,
      ],
      ["setTimer in the past", ({ node }) => node.setTimer(1, -1, 1), "invalidArgument", /delayMs.*-1.*0 to/],
      [
        "setTimer beyond 30 days",
        ({ node }) => node.setTimer(1, 31 * 24 * 3_600_000, 1),
        "invalidArgument",
        /delayMs/,
      ],
      [
        "setTimer at no time",
        ({ node }) => node.setTimer(1, Number.NaN, 1),
        "invalidArgument",
        /delayMs.*NaN/,
      ],
      [
        "findNode with more results than an answer counts",
        ({ node }) => node.findNode(1, good, { results: 256 }),
        "invalidOption",
        /results.*256.*1 to 255/,
      ],
      ["get with no quorum", ({ node }) => node.get(1, good, { quorum: 0 }), "invalidOption", /quorum.*0/],
      [
        "get that never ends",
        ({ node }) => node.get(1, good, { timeoutMs: Number.POSITIVE_INFINITY }),
        "invalidOption",
        /timeoutMs/,
      ],
    ];

  it.each(bad)("is refused at once, and nothing has changed: %s", (_name, call, code, says) => {
    const stage = new Stage();
    stage.node.setProtocols(["kept"]);
    stage.node.handleTimeout(stage.nowMs);
    const before = [stage.node.stats(), stage.node.nextDeadline()];
    const error = errorOf(() => call(stage));
    expect(error).toMatchObject({ name: "UsageError", code });
    expect(error.message).toMatch(says);
    expect([stage.node.stats(), stage.node.nextDeadline()]).toEqual(before);
    expect(stage.poll()).toEqual([]);
    expect(stage.events).toEqual([]);
    stage.ask(stage.stranger(2), { type: "application", protocol: "kept", body: new Uint8Array(1) });
    stage.poll();
    expect(stage.of("messageReceived")).toHaveLength(1);
  });

  it("is one too many: queries beyond the cap are refused, and one that ends makes room", () => {
    const stage = new Stage({ limits: { maxQueries: 2 } });
    const seed = at(stage);
    const first = stage.node.ping(1, seed);
    stage.node.ping(1, seed);
    const commands: ((node: KadNode) => unknown)[] = [
      (node) => node.ping(1, seed),
      (node) => node.findNode(1, good),
      (node) => node.put(1, immutableRecord(sha256, new Uint8Array(1))),
      (node) => node.send(1, seed, "talk", new Uint8Array(1)),
      (node) => node.bootstrap(1, [seed]),
    ];
    for (const command of commands) {
      expect(errorOf(() => command(stage.node))).toMatchObject({ code: "tooMany" });
    }
    expect(stage.node.stats().gauges).toMatchObject({
      queries: { used: 2, limit: 2 },
      sendBytes: { used: 0 },
    });
    expect(stage.node.stats().gauges.records.used).toBe(0);
    expect(stage.node.cancel(1, first)).toBe(true);
    expect(() => stage.node.ping(1, seed)).not.toThrow();
  });
});

describe("a contact that a caller vouches for", () => {
  it("is not ourselves", () => {
    const stage = new Stage();
    const own: Contact = { id: stage.node.id, addresses: [stage.stranger(1).path.remote] };
    expect(stage.node.addContact(1, own)).toEqual({ type: "refused", reason: "self" });
  });

  it("has at most the addresses that a contact may carry: others are left out", () => {
    const stage = new Stage();
    const addresses = Array.from({ length: 9 }, (_, i) => stage.stranger(i + 1).path.remote);
    stage.node.addContact(1, { id: numbered(1), addresses });
    const asked = stage.pass(5_000).map(({ transmit }) => transmit.path.remote.key);
    expect(new Set(asked).size).toBe(4);
  });
});

describe("a protocol of another id length", () => {
  it("is what the node's id, keys and targets are measured by", () => {
    const addresses = new AddressTable();
    const protocol = nativeProtocol({ addresses, idBytes: 20 });
    const node = new KadNode(optionsWith({ addresses, protocol, id: numbered(0, 20) }));
    expect(() => node.findNode(1, numbered(1, 20))).not.toThrow();
    expect(errorOf(() => node.findNode(1, numbered(1, 32))).message).toContain("20 bytes");
    expect(errorOf(() => new KadNode(optionsWith({ addresses, protocol }))).message).toContain("20 bytes");
    expect(NodeId.fromBytes(new Uint8Array(20)).length).toBe(20);
  });
});
