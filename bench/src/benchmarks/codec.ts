/** The largest message of a lookup: an answer that names contacts. */
import { randomFillSync } from "node:crypto";
import { AddressTable, type Message, NodeId, nativeProtocol } from "@kad/core";
import type { Benchmark, Column, Parameters, Row } from "../benchmark.ts";
import { wireBencode } from "../networks/bittorrent-network.ts";
import { SeededRandom } from "../seeded-random.ts";
import { callsPerSecond } from "../stopwatch.ts";
import { fromTree, versionIn } from "../trees.ts";

/** One answer, as one wire format has it. */
interface Subject {
  encode(): Uint8Array;
  decode(bytes: Uint8Array): unknown;
  /** Ids that decoding has brought: proves that it did the work. */
  ids(decoded: unknown): number;
}

type SubjectMaker = (ids: readonly Uint8Array[]) => Subject;

interface Contestant {
  readonly label: string;
  readonly idBytes: number;
  readonly make: SubjectMaker;
}

const makers: Readonly<Record<string, Contestant>> = {
  kad: { label: "@kad/core, contacts met before", idBytes: 32, make: (ids) => nativeCodec(ids, 32, true) },
  kad20: {
    label: "@kad/core, the same, ids of 20 bytes",
    idBytes: 20,
    make: (ids) => nativeCodec(ids, 20, true),
  },
  kadCold: {
    label: "@kad/core, contacts never met",
    idBytes: 32,
    make: (ids) => nativeCodec(ids, 32, false),
  },
  bencode: {
    label: `bencode ${versionIn(["bittorrent-dht", "k-rpc", "k-rpc-socket", "bencode"])}, compact nodes (bittorrent-dht)`,
    idBytes: 20,
    make: bencode,
  },
  dhtRpc: { label: "dht-rpc (carries no ids)", idBytes: 32, make: (ids) => dhtRpcCodec(ids, false) },
  dhtRpcIds: {
    label: "dht-rpc, computing the ids as it must",
    idBytes: 32,
    make: (ids) => dhtRpcCodec(ids, true),
  },
};

const columns: readonly Column[] = [
  { value: "bytes", heading: "bytes", digits: 0, show: "median" },
  { value: "both", heading: "encode + decode, k/s", digits: 0 },
  { value: "encode", heading: "encode, k/s", digits: 0 },
  { value: "decode", heading: "decode, k/s", digits: 0 },
  { value: "ids", heading: "ids", digits: 0, show: "median" },
];

export const codecBenchmark: Benchmark = {
  name: "codec",
  title: "Codec",
  about: `An answer to findNode, written and read. Calls for each second of CPU time. 64 answers take turns; *met before*: the
contacts are among those that this node has heard of and told others of, as in a network that stands; *never met*: no
contact comes twice, as in a flood. bencode is the one in bittorrent-dht's own tree, with the contacts taken apart as
k-rpc does. dht-rpc sends addresses alone; a node that wants to know who is near has to hash each of them.`,
  rounds: ({ quick }) => (quick ? 1 : 3),
  contestants: ({ quick }) =>
    [8, 20].flatMap((contacts) =>
      Object.keys(makers).map((name) => ({ name, contacts, forMs: quick ? 40 : 300 })),
    ),
  measure,
  columns: () => columns,
};

const answers = 64;
/** Distinct contacts that the answers draw from: a routing table's worth. */
const peers = 200;

export function measure({ name, contacts, forMs }: Parameters): readonly Row[] {
  const { label, idBytes, make } = makers[name as string] as Contestant;
  const count = contacts as number;
  const random = new SeededRandom(2);
  const known = Array.from({ length: peers }, () => random.bytes(idBytes));
  const subjects = Array.from({ length: answers }, () =>
    make(Array.from({ length: count }, () => known[random.below(peers)] as Uint8Array)),
  );
  const at = (i: number) => subjects[i % answers] as Subject;
  const encoded = subjects.map((subject) => Uint8Array.from(subject.encode()));
  const wire = (i: number) => encoded[i % answers] as Uint8Array;
  const ms = forMs as number;
  callsPerSecond(ms, (i) => at(i).decode(at(i).encode())); // warm, before anything counts
  const values = {
    bytes: (encoded[0] as Uint8Array).length,
    ids: at(0).ids(at(0).decode(wire(0))),
    both: callsPerSecond(ms, (i) => at(i).decode(at(i).encode())) / 1_000,
    encode: callsPerSecond(ms, (i) => at(i).encode()) / 1_000,
    decode: callsPerSecond(ms, (i) => at(i).decode(wire(i))) / 1_000,
  };
  return [{ table: `${count} contacts`, row: label, values }];
}

const addresses = new AddressTable();
const protocols = new Map<string, ReturnType<typeof nativeProtocol>>();
const scratch = new Uint8Array(1_200);

/** `warm: false`: caches of one place, so that each contact displaces the one before. */
function nativeCodec(ids: readonly Uint8Array[], idBytes: number, warm: boolean): Subject {
  const key = `${idBytes} ${warm}`;
  const protocol =
    protocols.get(key) ?? nativeProtocol({ addresses, idBytes, ...(!warm && { contactCacheSize: 1 }) });
  protocols.set(key, protocol);
  const message: Message = {
    kind: "response",
    requestId: { high: 1, low: 2 },
    sender: NodeId.fromBytes(randomFillSync(new Uint8Array(idBytes))),
    client: false,
    addresses: [],
    body: { type: "nodes", contacts: ids.map(contactOf), token: undefined },
  };
  return {
    encode: () => scratch.subarray(0, protocol.encode(message, scratch, scratch.length, false)),
    decode: (bytes) => protocol.decode(bytes),
    ids: (decoded) => {
      const answer = decoded as Message;
      return answer.kind === "response" && answer.body.type === "nodes" ? answer.body.contacts.length : 0;
    },
  };
}

const contactsByKey = new Map<
  string,
  { readonly id: NodeId; readonly addresses: [ReturnType<AddressTable["parse"]>] }
>();

/** One object for each peer, as a routing table holds it. */
function contactOf(bytes: Uint8Array): {
  readonly id: NodeId;
  readonly addresses: [ReturnType<AddressTable["parse"]>];
} {
  const id = NodeId.fromBytes(bytes);
  const known = contactsByKey.get(id.key);
  if (known !== undefined) return known;
  const contact = {
    id,
    addresses: [addresses.parse(hostOf(bytes).url)] as [ReturnType<AddressTable["parse"]>],
  };
  contactsByKey.set(id.key, contact);
  return contact;
}

function hostOf(id: Uint8Array): { readonly host: string; readonly port: number; readonly url: string } {
  const host = `10.${id[0]}.${id[1]}.${id[2]}`;
  const port = 1_024 + (((id[3] as number) << 8) | (id[4] as number)) / 2;
  return { host, port: Math.floor(port), url: `udp://${host}:${Math.floor(port)}` };
}

/** As k-rpc-socket and k-rpc do it: the nodes in one string of 26 bytes each, cut into objects when read. */
function bencode(ids: readonly Uint8Array[]): Subject {
  const codec = wireBencode();
  const sender = Buffer.alloc(20, 7);
  const nodes = ids.map((id) => ({ id: Buffer.from(id), ...hostOf(id) }));
  const transaction = Buffer.from([1, 2]);
  return {
    encode: () => codec.encode({ t: transaction, y: "r", r: { id: sender, nodes: compactNodes(nodes) } }),
    decode: (bytes) => {
      const { r } = codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)) as {
        readonly r: { readonly nodes: Buffer };
      };
      return parseNodes(r.nodes);
    },
    ids: (decoded) => (decoded as readonly unknown[]).length,
  };
}

interface CompactNode {
  readonly id: Buffer;
  readonly host: string;
  readonly port: number;
}

/** k-rpc's `encodeNodes`, which it does not export. */
function compactNodes(nodes: readonly CompactNode[]): Buffer {
  const bytes = Buffer.allocUnsafe(nodes.length * 26);
  let at = 0;
  for (const { id, host, port } of nodes) {
    id.copy(bytes, at);
    at += 20;
    for (const part of host.split(".")) bytes[at++] = Number.parseInt(part, 10);
    bytes.writeUInt16BE(port, at);
    at += 2;
  }
  return bytes;
}

/** k-rpc's `parseNodes`. */
function parseNodes(bytes: Buffer): CompactNode[] {
  const nodes: CompactNode[] = [];
  for (let at = 0; at < bytes.length; at += 26) {
    const host = `${bytes[at + 20]}.${bytes[at + 21]}.${bytes[at + 22]}.${bytes[at + 23]}`;
    nodes.push({ id: bytes.subarray(at, at + 20), host, port: bytes.readUInt16BE(at + 24) });
  }
  return nodes;
}

interface CompactState {
  start: number;
  end: number;
  buffer: Buffer | Uint8Array | null;
}

interface CompactEncoding {
  preencode(state: CompactState, value: unknown): void;
  encode(state: CompactState, value: unknown): void;
  decode(state: CompactState): unknown;
}

interface DhtRpcPeers {
  readonly ipv4: CompactEncoding;
  readonly ipv4Array: CompactEncoding;
  id(host: string, port: number): Uint8Array;
}

/** The reply of dht-rpc's `lib/io.js` by its own encodings: kind, flags, transaction, our address, id, contacts. */
function dhtRpcCodec(ids: readonly Uint8Array[], computeIds: boolean): Subject {
  const peer = fromTree(["dht-rpc"], "lib/peer.js") as DhtRpcPeers;
  const { uint16, fixed32 } = fromTree(["dht-rpc", "compact-encoding"]) as Record<
    "uint16" | "fixed32",
    CompactEncoding
  >;
  const nodes = ids.map(hostOf);
  const self = Buffer.alloc(32, 7);
  const to = { host: "127.0.0.1", port: 4_100 };
  return {
    encode: () => {
      const state: CompactState = { start: 0, end: 10 + 32, buffer: null };
      peer.ipv4Array.preencode(state, nodes);
      const buffer = Buffer.allocUnsafe(state.end);
      state.buffer = buffer;
      buffer[state.start++] = 0b0001_0011;
      buffer[state.start++] = 0b101;
      uint16.encode(state, 1);
      peer.ipv4.encode(state, to);
      fixed32.encode(state, self);
      peer.ipv4Array.encode(state, nodes);
      return buffer;
    },
    decode: (bytes) => {
      const state: CompactState = { start: 2, end: bytes.length, buffer: bytes };
      uint16.decode(state);
      peer.ipv4.decode(state);
      fixed32.decode(state);
      const found = peer.ipv4Array.decode(state) as { id: Uint8Array | null; host: string; port: number }[];
      if (computeIds) for (const node of found) node.id = peer.id(node.host, node.port);
      return found;
    },
    ids: (decoded) => (decoded as readonly { readonly id: unknown }[]).filter(({ id }) => id !== null).length,
  };
}
