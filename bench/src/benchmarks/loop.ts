/** Where the time of a request goes: from bare sockets, through the core without any, to both together. */
import { createSocket, type Socket } from "node:dgram";
import { Session } from "node:inspector/promises";
import {
  AddressTable,
  type Contact,
  type Message,
  NodeId,
  nativeProtocol,
  RoutingTable,
  resolveLimits,
} from "@kad/core";
import { udp } from "@kad/transport-udp";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { runLoad, warmUp } from "../lookup-load.ts";
import { kadNetwork } from "../networks/kad-network.ts";
import { MemoryNetwork } from "../networks/memory-network.ts";
import { type Part, partOf, parts } from "../parts.ts";
import { SeededRandom } from "../seeded-random.ts";
import { callsPerSecond, Stopwatch } from "../stopwatch.ts";

/** One step on the way from bare sockets to a whole network; not every step uses every field. */
interface Step {
  readonly what: "dgram" | "transport" | "memory" | "network" | "parts" | "profile";
  readonly on: "memory" | "dgram";
  readonly nodes: number;
  readonly results: number;
  readonly forMs: number;
  /** After joining, nodes look for those that joined with them. */
  readonly settleMs: number;
}

const wholeTable = "CPU us per request";
const partsTable = "each part alone";
const profileTable = "self time, us per request";

/** Until the compiler has seen enough. */
const warmLookups = 600;
/** How many sockets exchange datagrams where there is no node: two, or as many as the network that it is compared with. */
const meshSockets = 32;

const columns: Readonly<Record<string, readonly Column[]>> = {
  [wholeTable]: [
    { value: "us", heading: "us", digits: 1 },
    { value: "requestsPerLookup", heading: "requests per lookup", digits: 1, show: "median" },
    { value: "perSecond", heading: "lookups per CPU second", digits: 0 },
  ],
  [partsTable]: [{ value: "us", heading: "us", digits: 2 }],
  [profileTable]: [
    { value: "memory", heading: "in memory", digits: 2 },
    { value: "dgram", heading: "on dgram", digits: 2 },
  ],
};

export const loopBenchmark: Benchmark = {
  name: "loop",
  title: "Where the time of a request goes",
  about: `CPU time of both ends together. *node:dgram alone*: sockets and an echo, 400 bytes there and 850 back (a padded
findNode and its answer with 20 contacts), 64 in flight, between two sockets or among ${meshSockets} by chance: no node on dgram can cost less. *@kad/transport-udp alone*: the
same through the transport. *In memory*: nodes and drivers with no socket between them. The parts alone run on data that
sits in the processor's caches; a request needs each of them once. The profile counts samples by source file; what the compiler inlines is counted
where it was inlined to, and *native code* includes the system calls. It samples by the clock on the wall: on a busy machine,
waiting for a processor counts too, mostly as native code and garbage collection.`,
  rounds: ({ quick }) => (quick ? 1 : 2),
  contestants: ({ quick }) =>
    (
      [
        { what: "dgram", nodes: 2 },
        { what: "dgram", nodes: meshSockets },
        { what: "transport" },
        { what: "memory", nodes: 32, results: 20 },
        { what: "memory", nodes: 32, results: 8 },
        { what: "memory", nodes: 128, results: 20 },
        { what: "network", nodes: 32, results: 20 },
        { what: "network", nodes: 32, results: 8 },
        { what: "network", nodes: 128, results: 20 },
        { what: "parts" },
        { what: "profile", on: "memory" },
        { what: "profile", on: "dgram" },
      ] as Parameters[]
    )
      .filter(({ nodes, results }) => !quick || (nodes !== 128 && results !== 8))
      .map((parameters) => ({ ...parameters, forMs: quick ? 150 : 1_000, settleMs: quick ? 400 : 1_000 })),
  measure,
  columns: (table) => columns[table] ?? [],
};

async function measure(parameters: Parameters): Promise<readonly Row[]> {
  const { what, on, nodes, results, forMs, settleMs } = parameters as unknown as Step;
  switch (what) {
    case "dgram":
      return [whole(`node:dgram alone, ${nodes} sockets`, { us: await echoOnDgram(nodes, forMs) })];
    case "transport":
      return [whole("@kad/transport-udp alone, 2 sockets", { us: await echoOnTransport(forMs) })];
    case "memory":
      return [inMemory(nodes, results, forMs)];
    case "network":
      return [await onDgram(nodes, results, forMs, settleMs)];
    case "parts":
      return measureParts(forMs / 2);
    case "profile":
      return on === "memory" ? profileMemory(forMs) : profileDgram(forMs, settleMs);
  }
}

function whole(row: string, values: Row["values"]): Row {
  return { table: wholeTable, row, values };
}

const requestBytes = 400;
const answerBytes = 850;
const inFlight = 64;

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: "udp4", lookup: (host, _options, done) => done(null, host, 4) });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

async function echoOnDgram(sockets: number, forMs: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: sockets }, bound));
  const ports = all.map((socket) => socket.address().port);
  const [request, answer] = [Buffer.alloc(requestBytes, 1), Buffer.alloc(answerBytes, 1)];
  const random = new SeededRandom(8);
  const us = await measureEcho(forMs, (onAnswer) => {
    for (const socket of all) {
      socket.on("message", ({ length }, from) => {
        if (length === requestBytes) socket.send(answer, from.port, from.address);
        else onAnswer();
      });
    }
    return () => {
      const from = random.below(sockets);
      const to = (from + 1 + random.below(sockets - 1)) % sockets;
      all[from]?.send(request, ports[to] as number, "127.0.0.1");
    };
  });
  for (const socket of all) socket.close();
  return us;
}

async function echoOnTransport(forMs: number): Promise<number> {
  const [request, answer] = [new Uint8Array(requestBytes).fill(1), new Uint8Array(answerBytes).fill(1)];
  let onAnswer: () => void = () => undefined;
  const open = async (isAsking: boolean) => {
    const transport = udp({ listen: "udp://127.0.0.1:0" });
    const nothing = () => undefined;
    await transport.open(
      {
        message: (path) => {
          if (isAsking) onAnswer();
          else transport.send({ path, peer: undefined, length: answerBytes, tag: 0 }, answer);
        },
        deferred: nothing,
        sent: nothing,
        sendFailed: nothing,
        flow: nothing,
        addressesChanged: nothing,
        report: nothing,
      },
      new AddressTable(),
    );
    return transport;
  };
  const [asking, answering] = await Promise.all([open(true), open(false)]);
  const remote = new AddressTable().parse(answering.localAddresses[0]?.key ?? "");
  const path = { remote, dialable: true };
  const us = await measureEcho(forMs, (listener) => {
    onAnswer = listener;
    return () => void asking.send({ path, peer: undefined, length: requestBytes, tag: 1 }, request);
  });
  await Promise.all([asking.close(), answering.close()]);
  return us;
}

/** So many under way at any time; CPU us for each that came back. */
async function measureEcho(forMs: number, start: (onAnswer: () => void) => () => void): Promise<number> {
  let answered = 0;
  let isOver = false;
  let resend: () => void = () => undefined;
  const send = start(() => {
    answered++;
    if (!isOver) resend();
  });
  resend = send;
  for (let i = 0; i < inFlight; i++) send();
  await passed(forMs / 2);
  const before = answered;
  const watch = new Stopwatch();
  await passed(forMs);
  const us = (watch.read().cpuMs * 1_000) / (answered - before);
  isOver = true;
  await passed(20);
  return us;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function inMemory(nodes: number, results: number, forMs: number): Row {
  const network = new MemoryNetwork(nodes);
  lookupsInMemory(network, results, forMs);
  const watch = new Stopwatch();
  const { lookups, requests } = lookupsInMemory(network, results, forMs);
  const { cpuMs } = watch.read();
  return whole(`@kad/core in memory, ${nodes} nodes, ${results} results`, {
    us: (cpuMs * 1_000) / requests,
    requestsPerLookup: requests / lookups,
    perSecond: lookups / (cpuMs / 1_000),
  });
}

function lookupsInMemory(
  network: MemoryNetwork,
  results: number,
  forMs: number,
): { lookups: number; requests: number } {
  const untilMs = performance.now() + forMs;
  const before = network.requests();
  let lookups = 0;
  do {
    network.lookups(warmLookups, 32, results, () => {
      lookups++;
    });
  } while (performance.now() < untilMs);
  return { lookups, requests: network.requests() - before };
}

async function onDgram(nodes: number, results: number, forMs: number, settleMs: number): Promise<Row> {
  const network = await kadNetwork(nodes);
  await passed(settleMs);
  const load = { network, random: new SeededRandom(5), idBytes: 32, concurrency: 32, results, forMs };
  await warmUp(load, warmLookups);
  const { cpuUsPerRequest, requestsPerLookup, cpuMsPerLookup } = await runLoad(load);
  await network.close();
  return whole(`@kad/core on dgram, ${nodes} nodes, ${results} results`, {
    us: cpuUsPerRequest,
    requestsPerLookup,
    perSecond: 1_000 / cpuMsPerLookup,
  });
}

function measureParts(forMs: number): readonly Row[] {
  const random = new SeededRandom(6);
  const addresses = new AddressTable();
  const protocol = nativeProtocol({ addresses });
  const newId = () => NodeId.fromBytes(random.bytes(32));
  const table = new RoutingTable({ self: newId(), limits: resolveLimits({}), groupOf: () => undefined });
  for (let i = 0; i < 1_000; i++) {
    const host = addresses.parse(`udp://10.0.${i >> 8}.${i & 255}:4100`);
    table.onAnswered(0, { id: newId(), addresses: [host] }, "walk");
  }
  const self = newId();
  const want = 1;
  const accept = (contact: Contact) =>
    contact.id.key !== self.key && contact.addresses.some((address) => (address.kind & want) !== 0);
  const envelope = { requestId: { high: 1, low: 2 }, sender: self, client: false, addresses: [] };
  const targets = Array.from({ length: 64 }, newId);
  const requests = targets.map(
    (target): Message => ({
      ...envelope,
      kind: "request",
      want,
      body: { type: "findNode", target, wantToken: false },
    }),
  );
  const answers = targets.map((target): Message => {
    const contacts = table.closest(target, 20, accept);
    return { ...envelope, kind: "response", body: { type: "nodes", contacts, token: undefined } };
  });
  const into = new Uint8Array(1_200);
  const written = (message: Message) =>
    Uint8Array.from(into.subarray(0, protocol.encode(message, into, 1_200, true)));
  const [requestWires, answerWires] = [requests.map(written), answers.map(written)];
  const [mine, asked] = [udpAddress(addresses), { port: 4_100 }];
  const row = (name: string, call: (index: number) => unknown): Row => ({
    table: partsTable,
    row: name,
    values: { us: 1e6 / callsPerSecond(forMs, call) },
  });
  return [
    row("write a findNode, padded to 400 bytes", (i) =>
      protocol.encode(requests[i & 63] as Message, into, 1_200, true),
    ),
    row("read it", (i) => protocol.decode(requestWires[i & 63] as Uint8Array)),
    row("the 20 closest of a full table", (i) => table.closest(targets[i & 63] as NodeId, 20, accept)),
    row("write an answer with 20 contacts", (i) =>
      protocol.encode(answers[i & 63] as Message, into, 1_200, true),
    ),
    row("read it: contacts met before", (i) => protocol.decode(answerWires[i & 63] as Uint8Array)),
    row("the address of a datagram, twice", () => {
      addresses.fromSocket("udp4", mine, asked.port);
      return addresses.fromSocket("udp4", mine, asked.port);
    }),
  ];
}

function udpAddress(addresses: AddressTable): string {
  const { key } = addresses.parse("udp://10.1.2.3:4100");
  return key.slice("udp://".length, key.lastIndexOf(":"));
}

async function profileMemory(forMs: number): Promise<readonly Row[]> {
  const network = new MemoryNetwork(32);
  lookupsInMemory(network, 20, forMs);
  let requests = 0;
  const shares = await profiled(async () => {
    requests = lookupsInMemory(network, 20, 2 * forMs).requests;
  });
  return profileRows("memory", shares, requests);
}

async function profileDgram(forMs: number, settleMs: number): Promise<readonly Row[]> {
  const network = await kadNetwork(32);
  await passed(settleMs);
  const load = { network, random: new SeededRandom(7), idBytes: 32, concurrency: 32, results: 20 };
  await warmUp(load, warmLookups);
  const before = network.requests();
  const shares = await profiled(() => runLoad({ ...load, forMs: 2 * forMs }));
  const rows = profileRows("dgram", shares, network.requests() - before);
  await network.close();
  return rows;
}

/** Self time of each part in us, waiting not counted. */
async function profiled(work: () => Promise<unknown>): Promise<Map<Part, number>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  await work();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  const partById = new Map(profile.nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]));
  const shares = new Map<Part, number>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const part = partById.get(id);
    if (part !== undefined) shares.set(part, (shares.get(part) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  }
  return shares;
}

function profileRows(value: "memory" | "dgram", shares: Map<Part, number>, requests: number): Row[] {
  const total = [...shares.values()].reduce((sum, us) => sum + us, 0);
  return [
    ...parts.map((part) => ({ row: part as string, us: shares.get(part) ?? 0 })),
    { row: "together", us: total },
  ].map(({ row, us }) => ({ table: profileTable, row, values: { [value]: us / requests } }));
}
