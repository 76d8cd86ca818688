import { describe, expect, it } from "vitest";
import {
  type AddressCodec,
  AddressTable,
  HookError,
  immutableRecord,
  KadNode,
  MemoryRecordStore,
  type NodeOptions,
  nativeProtocol,
  openRecord,
  type Protocol,
  type RecordStore,
  type RecordValidator,
  type UsageError,
} from "../src/index.ts";
import { seededRandom, sha256 } from "./pair.ts";
import { numbered, Stage } from "./stage.ts";

/** What a test does inside a hook; `undefined`: the hook behaves. */
interface Spy {
  hook: string;
  run: (() => void) | undefined;
  calls: number;
}

const hooks = [
  "store.get",
  "store.put",
  "store.delete",
  "validator.validate",
  "validator.select",
  "random.fill",
  "sha256",
  "addresses.dialable",
  "addresses.decode",
  "addresses.source",
  "addresses.group",
  "protocol.decode",
  "protocol.encode",
  "protocol.knownContact",
] as const;

/** Everything that a host can supply, each part telling the spy when it is called. */
function hooked(spy: Spy): { readonly stage: Stage; readonly options: Partial<NodeOptions> } {
  const call = (hook: string): void => {
    if (spy.hook !== hook || spy.run === undefined) return;
    spy.calls++;
    spy.run();
  };
  const table = new AddressTable();
  table.setLink("udp4", { link: 1, maxBytes: 1_200 });
  const addresses: AddressCodec = {
    get dialable() {
      call("addresses.dialable");
      return table.dialable;
    },
    decode(bytes, offset, length) {
      call("addresses.decode");
      return table.decode(bytes, offset, length);
    },
    source(address) {
      call("addresses.source");
      return table.source(address);
    },
    group(address) {
      call("addresses.group");
      return table.group(address);
    },
  };
  const memory = new MemoryRecordStore();
  const store: RecordStore = {
    get(key) {
      call("store.get");
      return memory.get(key);
    },
    put(record) {
      call("store.put");
      return memory.put(record);
    },
    delete(key) {
      call("store.delete");
      return memory.delete(key);
    },
    entries: (cursor, limit) => memory.entries(cursor, limit),
    get size() {
      return memory.size;
    },
    get bytes() {
      return memory.bytes;
    },
  };
  const anything: RecordValidator = {
    code: 40,
    maxBodyBytes: 100,
    quorum: 1,
    validate() {
      call("validator.validate");
      return undefined;
    },
    select(a, b) {
      call("validator.select");
      return (a[0] ?? 0) - (b[0] ?? 0);
    },
  };
  const random = seededRandom(3);
  const native = nativeProtocol({ addresses });
  const protocol: Protocol = {
    name: native.name,
    idBytes: native.idBytes,
    requests: native.requests,
    decode(bytes) {
      call("protocol.decode");
      return native.decode(bytes);
    },
    encode(message, into, room, padded) {
      call("protocol.encode");
      return native.encode(message, into, room, padded);
    },
    knownContact(id, address) {
      call("protocol.knownContact");
      return native.knownContact?.(id, address);
    },
  };
  const options: Partial<NodeOptions> = {
    addresses,
    store,
    validators: { anything },
    random: {
      fill(into) {
        call("random.fill");
        random.fill(into);
      },
    },
    sha256(bytes) {
      call("sha256");
      return sha256(bytes);
    },
    limits: { tokenRotationMs: 1_000 },
  };
  const stage = new Stage({ ...options, ...(spy.hook.startsWith("protocol") ? { protocol } : {}) });
  return { stage, options };
}

/** Strangers ask, store, answer and come back; each hook is called on the way by what they send. */
function remoteTraffic(stage: Stage, spy: Spy, run: () => void): void {
  const during = (act: () => void): void => {
    spy.run = run;
    act();
    spy.run = undefined;
  };
  const calm = stage.stranger(1);
  const asker = stage.stranger(2);
  const key = numbered(77);
  const record = (version: number) => ({
    typeCode: 40,
    key,
    lifetimeMs: 10_000,
    body: Uint8Array.of(version),
  });
  const tokenOf = (): Uint8Array | undefined => {
    const nodes = stage.answerTo(asker, { type: "findNode", target: key, wantToken: true });
    return nodes?.type === "nodes" ? nodes.token : undefined;
  };
  stage.befriend(calm);
  const token = tokenOf();
  for (const version of [1, 2]) {
    during(() => stage.ask(asker, { type: "putValue", token, record: record(version) }));
    stage.poll();
    stage.answerTo(asker, { type: "putValue", token, record: record(version) });
  }
  const declared = [stage.addresses.parse("udp://172.30.1.1:4000")];
  during(() => stage.ask(stage.stranger(3), { type: "ping" }, { declared }));
  stage.poll();
  during(() => stage.ask(stage.stranger(5), { type: "ping" }));
  stage.poll();
  stage.ask(stage.stranger(4), { type: "ping" });
  const [ping] = stage.requests("ping");
  if (ping !== undefined)
    during(() => stage.reply(stage.stranger(4), ping, { type: "pong" }, { addresses: declared }));
  stage.poll();
  stage.nowMs += 3_000;
  stage.ask(asker, { type: "findNode", target: key, wantToken: true });
  stage.node.findNode(stage.nowMs, key);
  during(() => stage.poll());
  stage.poll();
  during(() => stage.pass(15_000));
  during(() => stage.ask(asker, { type: "getValue", key }));
  stage.poll();
}

const calls: Readonly<Record<string, (node: KadNode, stage: Stage) => unknown>> = {
  handleNetworkEvent: (node) => node.handleNetworkEvent(1, { type: "flow", link: 9, open: true }),
  handleTimeout: (node) => node.handleTimeout(1),
  pollTransmit: (node) => node.pollTransmit(1, new Uint8Array(1_200)),
  pollEvent: (node) => node.pollEvent(),
  close: (node) => node.close(1),
  bootstrap: (node, stage) => node.bootstrap(1, [{ addresses: [stage.stranger(9).path.remote] }]),
  ping: (node, stage) => node.ping(1, { addresses: [stage.stranger(9).path.remote] }),
  findNode: (node) => node.findNode(1, numbered(9)),
  get: (node) => node.get(1, numbered(9)),
  put: (node) => node.put(1, immutableRecord(sha256, new Uint8Array(1))),
  send: (node, stage) =>
    node.send(1, { addresses: [stage.stranger(9).path.remote] }, "talk", new Uint8Array(1)),
  reply: (node) => node.reply(1, { id: 1 }, new Uint8Array(1)),
  cancel: (node) => node.cancel(1, 1),
  addContact: (node, stage) =>
    node.addContact(1, { id: numbered(9), addresses: [stage.stranger(9).path.remote] }),
  setProtocols: (node) => node.setProtocols(["talk"]),
  setTimer: (node) => node.setTimer(1, 1, 1),
  clearTimer: (node) => node.clearTimer(1),
};

describe("a hook that calls the node", () => {
  it.each(hooks)("%s is refused whatever it calls, and harms nothing", (hook) => {
    const spy: Spy = { hook, run: undefined, calls: 0 };
    const { stage } = hooked(spy);
    const refused = new Set<string>();
    remoteTraffic(stage, spy, () => {
      for (const [name, call] of Object.entries(calls)) {
        expect(() => call(stage.node, stage), name).toThrow(
          expect.objectContaining({ name: "UsageError", code: "reentrant" }),
        );
        refused.add(name);
      }
    });
    expect(spy.calls).toBeGreaterThan(0);
    expect([...refused]).toEqual(Object.keys(calls));
    expect(stage.of("error")).toEqual([]);
    expect(stage.answerTo(stage.stranger(5), { type: "ping" })).toEqual({ type: "pong" });
  });

  it("may not do so from the first call on, when the node draws its first random numbers", () => {
    const addresses = new AddressTable();
    const codes: unknown[] = [];
    const node: KadNode = new KadNode({
      id: numbered(0),
      sha256,
      addresses,
      random: {
        fill() {
          try {
            node.handleTimeout(5);
          } catch (error) {
            codes.push((error as UsageError).code);
          }
        },
      },
    });
    node.handleTimeout(1);
    expect(codes.length).toBeGreaterThan(0);
    expect(new Set(codes)).toEqual(new Set(["reentrant"]));
  });

  it("and lets the refusal through itself is reported, and the call that it hindered goes on", () => {
    const spy: Spy = { hook: "store.put", run: undefined, calls: 0 };
    const { stage } = hooked(spy);
    remoteTraffic(stage, spy, () => stage.node.findNode(1, numbered(9)));
    const [event] = stage.of("error");
    expect(event?.error).toBeInstanceOf(HookError);
    expect(event?.error.cause).toMatchObject({ code: "reentrant" });
  });
});

describe("a hook that throws", () => {
  it.each(hooks)("%s never throws through what remotes caused; it is reported", (hook) => {
    const spy: Spy = { hook, run: undefined, calls: 0 };
    const { stage } = hooked(spy);
    const fault = new Error(`${hook} is broken`);
    remoteTraffic(stage, spy, () => {
      throw fault;
    });
    expect(spy.calls).toBeGreaterThan(0);
    const errors = stage.of("error").map(({ error }) => error);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.every((error) => error instanceof HookError && error.cause === fault)).toBe(true);
    expect(stage.answerTo(stage.stranger(5), { type: "ping" })).toEqual({ type: "pong" });
  });

  it("while the node is built does not keep it from starting", () => {
    const fault = new Error("the disk is gone");
    const store = new MemoryRecordStore();
    store.entries = () => {
      throw fault;
    };
    const stage = new Stage({ store });
    stage.poll();
    // Once for values, once for providers.
    expect(stage.of("error").map(({ error }) => error.cause)).toEqual([fault, fault]);
  });

  it("gives nobody a predictable request id or write token: without randomness nothing is asked and no token issued", () => {
    const spy: Spy = { hook: "random.fill", run: undefined, calls: 0 };
    const { stage } = hooked(spy);
    stage.befriend(stage.stranger(1));
    stage.nowMs += 10_000;
    spy.run = () => {
      throw new Error("no entropy");
    };
    const nodes = stage.answerTo(
      stage.stranger(2),
      { type: "findNode", target: numbered(3), wantToken: true },
      { client: true },
    );
    expect(nodes).toMatchObject({ type: "nodes", token: undefined });
    const ended = new Set<number>();
    // The ids drawn in advance may be used up first.
    for (let i = 0; i < 200; i++) {
      stage.node.ping(stage.nowMs, { addresses: [stage.stranger(1).path.remote] });
      stage.nowMs += 1_000;
      stage.poll();
    }
    const last = stage.node.ping(stage.nowMs, { addresses: [stage.stranger(1).path.remote] });
    expect(stage.poll()).toEqual([]);
    for (const end of stage.of("queryFinished")) ended.add(end.query);
    expect(ended.has(last)).toBe(true);
  });

  it("in a command of the caller's is the caller's to hear of, where it decides on the command", () => {
    const broken: RecordValidator = {
      code: 50,
      maxBodyBytes: 10,
      quorum: 1,
      validate() {
        throw new Error("broken");
      },
      select: () => 0,
    };
    const stage = new Stage({ validators: { broken } });
    const record = { type: "broken", key: numbered(1), body: new Uint8Array(1) };
    expect(() => stage.node.put(stage.nowMs, record)).toThrow(
      expect.objectContaining({ code: "invalidRecord" }),
    );
    expect(stage.node.stats().gauges.queries.used).toBe(0);
    expect(() => stage.node.put(stage.nowMs, openRecord(sha256, "n", new Uint8Array(1), 1))).not.toThrow();
  });
});
