/** What encryption costs: a handshake, a message, a session, a lookup; beside bare calls and the Noise of libp2p. */
import { randomFillSync } from "node:crypto";
import type { AddressTable, Path } from "@kad/core";
import type { CryptoProvider, DatagramChannel } from "@kad/crypto";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { BareChannels } from "../crypto/bare-channels.ts";
import {
  challengesPerSecond,
  datagramHandshakes,
  joinedDatagrams,
  joinedStreams,
  streamHandshakes,
} from "../crypto/handshakes.ts";
import { credentialsOf, datagramsOf, nowMs, pathTo, poll, providers, seal } from "../crypto/peers.ts";
import { RecordedCalls } from "../crypto/recorded-calls.ts";
import { collectedMemory } from "../heap.ts";
import { MemoryNetwork } from "../networks/memory-network.ts";
import { percentile } from "../statistics.ts";
import { callsPerSecond, Stopwatch } from "../stopwatch.ts";
import { versionIn } from "../trees.ts";

const handshakeColumns: readonly Column[] = [
  { value: "initiatorMs", heading: "initiator, CPU ms", digits: 2 },
  { value: "responderMs", heading: "responder, CPU ms", digits: 2 },
  { value: "challenges", heading: "HELLO to CHALLENGE, k/s", digits: 1 },
];
const messageColumns: readonly Column[] = [
  { value: "us", heading: "seal + open, CPU us", digits: 1 },
  { value: "ratio", heading: "times the bare calls", digits: 2 },
];
const lookupColumns: readonly Column[] = [
  { value: "requestUs", heading: "CPU us per request", digits: 1 },
  { value: "bytes", heading: "bytes per message", digits: 0, show: "median" },
  { value: "addedUs", heading: "added by encryption", digits: 1 },
  { value: "bareUs", heading: "bare calls on the same bytes", digits: 1 },
  { value: "ratio", heading: "added / bare", digits: 2 },
  { value: "inPlaceUs", heading: "the same calls in place", digits: 1 },
  { value: "inPlaceRatio", heading: "added / in place", digits: 2 },
  { value: "handshakes", heading: "handshakes meanwhile", digits: 0, show: "median" },
];
const memoryColumns: readonly Column[] = [{ value: "bytes", heading: "bytes each", digits: 0 }];

export const cryptoBenchmark: Benchmark = {
  name: "crypto",
  title: "Encryption",
  about: `*Handshakes*: channels moved by hand, every step of all initiators first, then that of the responder, so that each side's CPU time is
its own. A datagram handshake is HELLO to the DATA that confirms, with a request of 100 B in it and an answer of 700; a stream handshake is
XX, the request and the answer. *Strangers*: certificates are checked; *met before*: they are remembered. libp2p's Noise proves both peers
over a pair of connections in memory; its two sides cannot be told apart. HELLO to CHALLENGE is what a flood costs. *Messages*: one passes
from a channel to the other. *Bare calls*: the provider's seal and open on the same bytes. libp2p's is what its handshake gives, without
the streams around it. *A lookup*: nodes on a wire in memory, all in one process, all sessions up, 20 results; the same nodes in plain text beside it, whose
requests are padded, as they must be where addresses are not proven. The bare calls here are those of the lookups, made again on the same
bytes under the same keys (16,000 of them with 128 nodes) in the same order, beside the same heap; *in place*: those calls made where the messages pass, in a
channel that does nothing else, so that node and cipher push each other out of the caches as they do in use. *A session*: growth of heap and array buffers of the responder, what it
knows of the peer included, without the address, which is the transport's.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) => [
    ...Object.keys(providers).flatMap((provider) =>
      ["datagrams", "streams"].map((kind) => ({
        what: "handshake",
        kind,
        provider,
        count: (provider === "native" ? 10 : 1) * (quick ? 4 : 40),
        forMs: quick ? 100 : 500,
      })),
    ),
    { what: "handshake", kind: "libp2p", provider: "its own", count: quick ? 40 : 200, forMs: 0 },
    ...[100, 1_143].map((bytes) => ({ what: "message", bytes, forMs: quick ? 40 : 300 })),
    ...(quick ? [16] : [16, 128]).map((nodes) => ({ what: "lookup", nodes, lookups: quick ? 100 : 500 })),
    { what: "session", count: quick ? 200 : 2_000 },
  ],
  measure,
  columns: (table) =>
    ({ Handshakes: handshakeColumns, Lookups: lookupColumns, Sessions: memoryColumns })[table] ??
    messageColumns,
};

export async function measure(parameters: Parameters): Promise<readonly Row[]> {
  const { what, kind } = parameters;
  if (what === "handshake")
    return kind === "libp2p" ? await libp2pHandshake(parameters) : handshake(parameters);
  if (what === "message") return await messages(parameters);
  return what === "lookup" ? lookup(parameters) : session(parameters);
}

function handshake({ kind, provider: name, count, forMs }: Parameters): readonly Row[] {
  const provider = providerNamed(name as string);
  const run = kind === "datagrams" ? datagramHandshakes : streamHandshakes;
  const newCredentials = () => Array.from({ length: count as number }, () => credentialsOf(provider));
  run(newCredentials(), credentialsOf(provider)); // compiled, before anything counts
  const [initiators, responder] = [newCredentials(), credentialsOf(provider)];
  const row = `@kad ${kind}, ${name}`;
  const challenges =
    kind === "datagrams" ? challengesPerSecond(provider, forMs as number) / 1_000 : undefined;
  return [
    { table: "Handshakes", row: `${row}, strangers`, values: { ...run(initiators, responder), challenges } },
    { table: "Handshakes", row: `${row}, met before`, values: { ...run(initiators, responder) } },
  ];
}

async function libp2pHandshake({ count }: Parameters): Promise<readonly Row[]> {
  const { Libp2pPair } = await import("../crypto/libp2p-noise.ts");
  const pair = await Libp2pPair.create();
  const shake = async (): Promise<void> => {
    for (let i = 0; i < (count as number); i++) await pair.handshake();
  };
  await shake();
  const watch = new Stopwatch();
  await shake();
  const eachMs = watch.read().cpuMs / (count as number) / 2;
  return [{ table: "Handshakes", row: libp2pLabel(), values: { initiatorMs: eachMs, responderMs: eachMs } }];
}

async function messages({ bytes, forMs }: Parameters): Promise<readonly Row[]> {
  const plaintext = randomFillSync(new Uint8Array(bytes as number));
  const { Libp2pPair } = await import("../crypto/libp2p-noise.ts");
  const [mine, theirs] = await (await Libp2pPair.create()).ciphers();
  const calls: readonly Call[] = [
    ...Object.keys(providers).flatMap((name) => channelCalls(name, plaintext)),
    { row: libp2pLabel(), call: () => theirs.decrypt(mine.encrypt(plaintext).subarray()).byteLength },
  ];
  const ms = forMs as number;
  for (const { call } of calls) microseconds(ms, call); // all are compiled before the first counts
  const measured = new Map(calls.map(({ row, call }) => [row, microseconds(ms, call)]));
  return calls.map(({ row, beside }): Row => {
    const us = measured.get(row) as number;
    const bare = beside === undefined ? undefined : measured.get(beside);
    const values = { us, ratio: bare === undefined ? undefined : us / bare };
    return { table: `Messages of ${bytes} B`, row, values };
  });
}

interface Call {
  readonly row: string;
  readonly call: () => unknown;
  /** The row of the bare calls. */
  readonly beside?: string;
}

/** One message from a channel to the other, in every way that we have, and what a provider takes for it alone. */
function channelCalls(name: string, plaintext: Uint8Array): readonly Call[] {
  const provider = providerNamed(name);
  const beside = `bare calls, ${name}`;
  const wire = new Uint8Array(plaintext.length + 64);
  const passes = [
    ["@kad datagrams", joinedDatagrams(provider)],
    ["@kad streams", joinedStreams(provider)],
  ] as const;
  return [
    { row: beside, beside, call: bareCalls(provider, plaintext.length) },
    ...passes.map(([what, { from, to, path, back, peer }]): Call => {
      const transmit = { path, peer, length: plaintext.length, tag: 1 };
      const call = (): number | undefined => {
        const length = from.seal(nowMs, transmit, plaintext, wire);
        if (typeof length !== "number") return undefined;
        return to.open(nowMs, back, wire.subarray(0, length))?.plaintext.length;
      };
      return { row: `${what}, ${name}`, beside, call };
    }),
  ];
}

/** In one process, in turn: the same compiler, the same heap, and the same neighbours on the machine. */
function lookup({ nodes, lookups }: Parameters): readonly Row[] {
  const calls = new RecordedCalls(providerNamed("native"), 1_000 * 40 * (lookups as number));
  const bareCipher = new BareChannels(providerNamed("native"), nodes as number);
  const channels: DatagramChannel[] = [];
  const handshakes = () => channels.reduce((sum, each) => sum + each.stats().sessionsOpened.initiator, 0);
  const sealed = (known: AddressTable, atMs: number) => {
    const credentials = credentialsOf(calls.provider, atMs);
    const channel = datagramsOf(credentials, known, atMs);
    channels.push(channel);
    return { id: credentials.id, channel };
  };
  const plain = new MemoryNetwork(nodes as number);
  const inPlace = new MemoryNetwork(nodes as number, {
    padRequests: false,
    channel: () => bareCipher.next(),
  });
  const secured = new MemoryNetwork(nodes as number, { padRequests: false, channel: sealed });
  const run = (network: MemoryNetwork) => network.lookups(lookups as number, 8, 20, () => undefined);
  for (const network of [plain, inPlace, secured]) {
    run(network); // sessions between all who meet
    network.pass(2_000);
    for (let i = 0; i < warmRuns; i++) run(network);
  }
  const before = handshakes();
  const costs = Array.from({ length: measuredRuns }, () => ({
    plain: costOf(plain, () => run(plain)),
    inPlace: costOf(inPlace, () => run(inPlace)),
    secured: costOf(secured, () => run(secured)),
    bareUs: bareCost(secured, calls, () => run(secured)),
  }));
  const median = (of: (cost: (typeof costs)[number]) => number) => percentile(costs.map(of), 50) as number;
  const plainUs = median(({ plain: { requestUs } }) => requestUs);
  const securedUs = median(({ secured: { requestUs } }) => requestUs);
  const inPlaceUs = median(({ inPlace: { requestUs } }) => requestUs) - plainUs;
  const bareUs = median((cost) => cost.bareUs);
  const addedUs = securedUs - plainUs;
  const bytes = { plain: median((cost) => cost.plain.bytes), secured: median((cost) => cost.secured.bytes) };
  return [
    {
      table: "Lookups",
      row: `${nodes} nodes, plain text`,
      values: { requestUs: plainUs, bytes: bytes.plain },
    },
    {
      table: "Lookups",
      row: `${nodes} nodes, encrypted`,
      values: {
        requestUs: securedUs,
        bytes: bytes.secured,
        addedUs,
        bareUs,
        ratio: addedUs / bareUs,
        inPlaceUs,
        handshakes: handshakes() - before,
        inPlaceRatio: addedUs / inPlaceUs,
      },
    },
  ];
}

/** Until hardly any two meet for the first time: with 128 nodes there are 44 handshakes in the fourth run, none in the seventh. */
const warmRuns = 6;
const measuredRuns = 5;

/** The calls of one run made again, without anything around them, for each of its requests. */
function bareCost(network: MemoryNetwork, calls: RecordedCalls, run: () => void): number {
  const before = network.requests();
  calls.record(run);
  const requests = network.requests() - before;
  calls.replay();
  const watch = new Stopwatch();
  calls.replay();
  return (1_000 * watch.read().cpuMs) / requests;
}

function costOf(
  network: MemoryNetwork,
  run: () => void,
): { readonly requestUs: number; readonly bytes: number } {
  const [requests, sent] = [network.requests(), network.sent()];
  const watch = new Stopwatch();
  run();
  const { cpuMs } = watch.read();
  const after = network.sent();
  return {
    requestUs: (1_000 * cpuMs) / (network.requests() - requests),
    bytes: (after.bytes - sent.bytes) / (after.messages - sent.messages),
  };
}

function session({ count }: Parameters): readonly Row[] {
  const provider = providerNamed("native");
  const responder = credentialsOf(provider);
  const server = datagramsOf(responder);
  const to = pathTo("udp", 9_000);
  const backs = Array.from({ length: firstSessions + (count as number) + 1 }, (_, i) =>
    pathTo("udp", 10_000 + i),
  );
  const join = (backPaths: readonly Path[], atMs: number): void => {
    for (const back of backPaths) {
      const client = datagramsOf(credentialsOf(provider));
      seal(client, to, request, responder.id);
      server.open(atMs, back, poll(client));
      client.open(nowMs, to, poll(server, atMs));
      const opened = server.open(atMs, back, poll(client));
      client.open(nowMs, to, seal(server, back, request, opened?.from.peer, 0, atMs) as Uint8Array);
      server.open(atMs, back, poll(client));
    }
  };
  join(backs.slice(0, firstSessions), nowMs); // slice: an array
  const before = collectedMemory();
  join(backs.slice(firstSessions, -1), nowMs); // slice: an array
  join(backs.slice(-1), nowMs + 20_000); // slice: an array; what is remembered of handshakes alone is forgotten
  const after = collectedMemory();
  const held = server.stats().gauges.sessions.used;
  if (held !== backs.length) throw new Error(`${held} sessions`);
  const bytes = (after.heap - before.heap + after.external - before.external) / (held - firstSessions);
  return [{ table: "Sessions", row: "@kad datagrams", values: { bytes } }];
}

const firstSessions = 40;
const request = new Uint8Array(100);

function providerNamed(name: string): CryptoProvider {
  return providers[name as keyof typeof providers]();
}

/** Seal and open on so many bytes, and the byte of the kind. */
function bareCalls(provider: CryptoProvider, bytes: number): () => number | undefined {
  const [key, nonce, ad] = [32, 12, 9].map((length) => randomFillSync(new Uint8Array(length)));
  const plain = new Uint8Array(bytes + 1);
  const sealed = new Uint8Array(plain.length + 16);
  const opened = new Uint8Array(plain.length);
  return () => {
    provider.seal(key as Uint8Array, nonce as Uint8Array, ad as Uint8Array, plain, sealed);
    return provider.open(key as Uint8Array, nonce as Uint8Array, ad as Uint8Array, sealed, opened)
      ? 1
      : undefined;
  };
}

function microseconds(forMs: number, call: () => unknown): number {
  return 1_000_000 / callsPerSecond(forMs, call);
}

function libp2pLabel(): string {
  return `@chainsafe/libp2p-noise ${versionIn(["@chainsafe/libp2p-noise"])}`;
}
