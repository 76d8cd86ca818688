/** The golden traces of packages/testkit/vectors, by the names of their files. */
import { immutableRecord, openRecord, type Response } from "@kad/core";
import { sha256 } from "../../src/index.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { idOf, type Said, Scenario, stranger } from "./scenario.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

function tokenOf(said: readonly Said[]): Uint8Array | undefined {
  const body = said.find(({ message }) => message.kind === "response")?.message.body;
  return body?.type === "nodes" ? body.token : undefined;
}

function request(said: readonly Said[]): Said | undefined {
  return said.find(({ message }) => message.kind === "request");
}

/** A server that knows nobody is asked everything that can be asked. */
function serverTrace(): Trace {
  const scene = new Scenario();
  const [one, two, client] = [stranger(1), stranger(2), stranger(3)];
  scene.input({ type: "addressesChanged", addresses: ["udp://10.0.0.1:4000"] });
  scene.input({ type: "wallClock", unixMs: 1_767_225_600_000 });
  scene.command("setProtocols", { names: ["talk"] });
  scene.ask(client, { type: "ping" }, { client: true });
  // A server that is not known is answered, and asked in turn; it enters when it answers.
  const ping = request(scene.ask(one, { type: "ping" }));
  scene.atMs += 20;
  scene.answer(one, ping, { type: "pong" });
  const second = request(scene.ask(two, { type: "findNode", target: idOf(9), wantToken: false }));
  scene.answer(two, second, { type: "pong" });
  scene.ask(client, { type: "findNode", target: idOf(1), wantToken: false }, { client: true });
  // Values: nobody has it; stored with a token; read; superseded; refused.
  const value = immutableRecord(sha256, text("kept"));
  const stored = { typeCode: 1, key: value.key, lifetimeMs: 3_600_000, body: value.body };
  scene.ask(one, { type: "getValue", key: value.key });
  const token = tokenOf(scene.ask(one, { type: "findNode", target: value.key, wantToken: true }));
  scene.ask(one, { type: "putValue", token, record: stored });
  scene.ask(two, { type: "getValue", key: value.key });
  scene.ask(two, { type: "putValue", token, record: stored });
  scene.ask(one, { type: "putValue", token, record: { ...stored, body: text("changed") } });
  const open = openRecord(sha256, "name", text("new"), 7);
  const openToken = tokenOf(scene.ask(one, { type: "findNode", target: open.key, wantToken: true }));
  const older = openRecord(sha256, "name", text("old"), 6);
  for (const { key, body } of [open, older]) {
    scene.ask(one, {
      type: "putValue",
      token: openToken,
      record: { typeCode: 2, key, lifetimeMs: 60_000, body },
    });
  }
  // Providers.
  const key = idOf(50);
  const providerToken = tokenOf(scene.ask(two, { type: "findNode", target: key, wantToken: true }));
  scene.ask(two, {
    type: "addProvider",
    token: providerToken,
    key,
    lifetimeMs: 600_000,
    meta: text("a shard"),
  });
  scene.ask(client, { type: "getProviders", key, cursor: new Uint8Array(0) }, { client: true });
  // Messages: one for a plugin, answered by it; one sent again; one for nobody.
  const message = { type: "application", protocol: "talk", body: text("hello") } as const;
  scene.ask(one, message, { requestId: { high: 1, low: 2 } });
  scene.ask(one, message, { requestId: { high: 1, low: 2 } });
  scene.command("reply", { token: { id: tokenId(scene) }, body: text("and hello to you") });
  scene.ask(one, { ...message, protocol: "other" });
  // What is not read: another version, a cut message, an unknown request, our own id, an answer to nothing.
  scene.hear(one, "0301");
  scene.hear(one, "040102");
  scene.hear(one, `04fe030000000000000001${one.id.toHex()}`);
  scene.ask({ id: idOf(0), url: one.url }, { type: "ping" });
  const nothing = { kind: "response", requestId: { high: 7, low: 7 }, client: false, addresses: [] } as const;
  scene.hear(two, scene.write({ ...nothing, sender: two.id, body: { type: "pong" } }));
  // The record expires and is served no more.
  scene.atMs += 61_000;
  scene.input({ type: "timeout" });
  scene.ask(one, { type: "getValue", key: open.key });
  scene.ask(client, { type: "ping" }, { client: true });
  scene.input({ type: "close" });
  scene.ask(client, { type: "ping" }, { client: true });
  return scene.trace(
    "A server that knows nobody is asked everything that can be asked: pings, nodes, values with and without a token, providers, messages; bytes that are no message; records that expire; and it is closed.",
  );
}

function tokenId(scene: Scenario): number {
  const message = scene.steps
    .flatMap(({ events }) => events)
    .find((event) => {
      return (event as { type: string }).type === "messageReceived";
    }) as { reply: { id: number } };
  return message.reply.id;
}

/** A node joins through one, looks up, stores, reads and announces; some of those that it asks are silent. */
function clientTrace(): Trace {
  const scene = new Scenario();
  const [seed, near, far, silent] = [stranger(1), stranger(2), stranger(3), stranger(4)];
  const strangers = [seed, near, far, silent];
  const nodes = (...of: typeof strangers): Response => ({
    type: "nodes",
    contacts: of.map((one) => scene.contact(one)),
    token: undefined,
  });
  /** Answers every request but those to the silent one, until nothing more is asked. */
  const converse = (said: readonly Said[], body: (said: Said) => Response): void => {
    const open = [...said];
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      const to = strangers.find(({ url }) => url === next?.to);
      if (next.message.kind !== "request" || to === undefined || to === silent) continue;
      scene.atMs += 5;
      open.push(...scene.answer(to, next, body(next)));
    }
  };
  const answerOf = ({ message }: Said): Response => {
    const { body } = message;
    if (body.type === "findNode") {
      const token = body.wantToken ? text("a token!") : undefined;
      return { type: "nodes", contacts: [seed, near, far].map((one) => scene.contact(one)), token };
    }
    if (body.type === "ping") return { type: "pong" };
    if (body.type === "putValue" || body.type === "addProvider") return { type: "stored" };
    if (body.type === "application") return { type: "application", body: text("well") };
    if (body.type !== "getProviders") return nodes(near, far);
    return { type: "providers", providers: [], cursor: new Uint8Array(0), contacts: [] };
  };
  scene.input({ type: "addressesChanged", addresses: ["udp://10.0.0.1:4000"] });
  converse(scene.command("bootstrap", { seeds: [{ addresses: [seed.url] }] }), (said) =>
    said.message.body.type === "findNode" ? nodes(near, far, silent) : answerOf(said),
  );
  // The silent one is asked again, is late, and given up.
  for (let i = 0; i < 6; i++) converse(scene.timeout(), answerOf);
  converse(scene.command("findNode", { target: idOf(77), options: { results: 3 } }), answerOf);
  const value = immutableRecord(sha256, text("kept"));
  converse(scene.command("put", { record: value, options: { results: 3 } }), answerOf);
  converse(scene.command("get", { key: idOf(78) }), (said) =>
    said.to === near.url ? nodes(seed, far) : answerOf(said),
  );
  converse(scene.command("announce", { key: idOf(50), announcement: { meta: text("ours") } }), answerOf);
  converse(scene.command("findProviders", { key: idOf(51) }), answerOf);
  converse(
    scene.command("send", { to: { addresses: [near.url] }, protocol: "talk", body: text("how?") }),
    answerOf,
  );
  // Failures of the network: no room, a full link, a dial that waits, nobody there.
  const [refused] = scene.command("ping", { to: { addresses: [far.url] } });
  converse(
    scene.input({ type: "sendFailed", to: far.url, tag: refused?.tag ?? 0, reason: "queueFull" }),
    answerOf,
  );
  scene.input({ type: "flow", open: false });
  scene.command("ping", { to: { id: seed.id, addresses: [seed.url] } });
  converse(scene.input({ type: "flow", open: true }), answerOf);
  const [waiting] = scene.command("ping", { to: { addresses: [near.url] } });
  scene.input({ type: "deferred", tag: waiting?.tag ?? 0 });
  scene.atMs += 300;
  scene.input({ type: "sent", tag: waiting?.tag ?? 0 });
  converse(waiting === undefined ? [] : [waiting], answerOf);
  const [gone] = scene.command("ping", { to: { addresses: [silent.url] } });
  scene.input({ type: "sendFailed", to: silent.url, tag: gone?.tag ?? 0, reason: "unreachable" });
  // A timer, a query that is cancelled, one whose deadline comes, and the end.
  scene.command("setTimer", { delayMs: 50, plugin: 3 });
  scene.command("ping", { to: { addresses: [silent.url] }, options: { timeoutMs: 70 } });
  const cancelled = scene.command("findNode", { target: idOf(79) });
  scene.command("cancel", { query: scene.steps.at(-1)?.returns });
  scene.atMs += 60;
  scene.input({ type: "timeout" });
  scene.atMs += 60;
  scene.input({ type: "timeout" });
  converse(cancelled, answerOf);
  scene.command("get", { key: idOf(80) });
  scene.input({ type: "close" });
  return scene.trace(
    "A node joins through a seed, looks up, stores, reads, announces, sends a message and a timer fires, while one of its peers is silent and the network fails in every way that it can tell; queries are cancelled, time out and are closed.",
  );
}

export const scenarios: Readonly<Record<string, () => Trace>> = {
  "trace-server": serverTrace,
  "trace-client": clientTrace,
};

/** As the files hold it. */
export function fileText(trace: Trace): string {
  const steps = trace.steps.map((step) => `    ${JSON.stringify(step)}`).join(",\n");
  const { steps: _steps, ...rest } = trace;
  const head = JSON.stringify(rest, undefined, 2).replace(/\n\}$/, "");
  return `${head},\n  "steps": [\n${steps}\n  ]\n}\n`;
}
