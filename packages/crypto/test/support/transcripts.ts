/**
 * Conversations in which nothing is left to chance: seeds, cids, tokens, secrets and the clock are given, and every packet
 * is written down. What comes out is in the testkit's `vectors/`; docs/vectors.md explains the fields.
 */
import { AddressTable } from "@kad/core";
import type { Credentials, CredentialsOptions } from "../../src/credentials.ts";
import { SeedIdentity } from "../../src/identity.ts";
import { Network, NetworkKey } from "../../src/network.ts";
import type { CryptoProvider, RandomSource } from "../../src/provider.ts";
import { MutableRecords } from "../../src/records/mutable-records.ts";
import { SignedProviders } from "../../src/records/signed-providers.ts";
import { ChannelNetwork, type Packet, type Peer, textsOf, typesOf } from "./channel-network.ts";
import { hex } from "./hex.ts";
import { SeededRandom } from "./random.ts";
import { StreamNetwork } from "./stream-network.ts";
import { insideDatagrams, insideStreams } from "./transcript-reader.ts";

export type Role = "initiator" | "responder";

/** Whose implementation either side has: the bytes must be the same for all. */
export type Providers = Readonly<Record<Role, CryptoProvider>>;

interface SideVector {
  readonly identitySeed: string;
  readonly publicKey: string;
  readonly id: string;
  readonly staticSeed: string;
  readonly staticKey: string;
  readonly certificate: string;
  readonly ephemeralSeed: string;
  readonly ephemeralKey: string;
}

interface NetworkVector {
  readonly name: string;
  readonly key: string | null;
  readonly tag: string;
  readonly helloKey: string;
  readonly psk: string | null;
}

interface Transcript {
  readonly name: string;
  readonly network: NetworkVector;
  readonly initiator: SideVector;
  readonly responder: SideVector;
}

interface DatagramVector {
  readonly from: Role;
  /** Where it is sent from, and to. */
  readonly source: string;
  readonly destination: string;
  readonly type: string;
  readonly hex: string;
  /** What it holds when it is opened, `null` where it is not sealed. */
  readonly inside?: string | null;
}

export interface DatagramTranscript extends Transcript {
  readonly initiatorCid: string;
  readonly responderCid: string;
  readonly cookieSecret: string;
  readonly pathToken: string;
  readonly packets: readonly DatagramVector[];
  /** DATA of no session, from the initiator's last address: what the last RESET answers, where there is one. */
  readonly stray: string;
}

export interface StreamTranscript extends Transcript {
  readonly messages: readonly {
    readonly from: Role;
    readonly hex: string;
    readonly inside?: string | null;
  }[];
}

const networkName = "kad";
const networkKey = bytesOf("network key", 32);
/** What the wall clock says when the monotonic one says 1,000 ms. */
const unixMs = 1_700_000_000_000;
const roles = ["initiator", "responder"] as const;

/** Looks random, and is not. */
function bytesOf(purpose: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new SeededRandom(`vectors: ${purpose}`).fill(bytes);
  return bytes;
}

/** Hands out what it was given: for each length in order, and nothing twice. */
class Given implements RandomSource {
  readonly #given: Uint8Array[];

  constructor(...given: Uint8Array[]) {
    this.#given = given;
  }

  fill(into: Uint8Array): void {
    const place = this.#given.findIndex(({ length }) => length === into.length);
    const [next] = place < 0 ? [] : this.#given.splice(place, 1);
    if (next === undefined) throw new Error(`nothing of ${into.length} bytes is left`);
    into.set(next);
  }
}

const jitter = Array.from({ length: 8 }, () => Uint8Array.of(0x80));

function seedsOf(role: Role) {
  return {
    identity: bytesOf(`${role}: identity`, 32),
    static: bytesOf(`${role}: static`, 32),
    ephemeral: bytesOf(`${role}: ephemeral`, 32),
    cookie: bytesOf(`${role}: cookies`, 32),
    cid: bytesOf(`${role}: cid`, 4),
    token: bytesOf(`${role}: path token`, 8),
  };
}

function credentialsOf(provider: CryptoProvider, role: Role, isPrivate: boolean, hasCookies: boolean) {
  const seeds = seedsOf(role);
  const drawn = hasCookies ? [seeds.static, seeds.cookie, seeds.ephemeral] : [seeds.static, seeds.ephemeral];
  return {
    identity: SeedIdentity.fromSeed(provider, seeds.identity),
    network: networkName,
    keys: new Given(...drawn),
    unixMs,
    ...(isPrivate && { networkKey: NetworkKey.fromBytes(networkKey) }),
  } satisfies Partial<CredentialsOptions>;
}

function describeNetwork(provider: CryptoProvider, isPrivate: boolean): NetworkVector {
  const key = isPrivate ? NetworkKey.fromBytes(networkKey) : undefined;
  const { tag, helloKey, psk } = new Network(provider, networkName, key);
  return {
    name: networkName,
    key: isPrivate ? hex(networkKey) : null,
    tag: hex(tag),
    helloKey: hex(helloKey),
    psk: psk === undefined ? null : hex(psk),
  };
}

function describeSide(provider: CryptoProvider, role: Role, credentials: Credentials): SideVector {
  const seeds = seedsOf(role);
  return {
    identitySeed: hex(seeds.identity),
    publicKey: hex(credentials.publicKey),
    id: credentials.id.toHex(),
    staticSeed: hex(seeds.static),
    staticKey: hex(provider.x25519(seeds.static).publicKey),
    certificate: hex(credentials.staticAt(0)?.certificate),
    ephemeralSeed: hex(seeds.ephemeral),
    ephemeralKey: hex(provider.x25519(seeds.ephemeral).publicKey),
  };
}

/**
 * A request in HANDSHAKE and its answer in ACCEPT, DATA both ways, a move of the initiator, and the close; at last DATA of
 * no session, which in a private network has no answer.
 */
function datagramTranscript(providers: Providers, isPrivate: boolean): DatagramTranscript {
  const network = new ChannelNetwork();
  const add = (role: Role, url: string): Peer => {
    const { cid, token } = seedsOf(role);
    return network.add(role, {
      provider: providers[role],
      url,
      credentials: credentialsOf(providers[role], role, isPrivate, true),
      channel: { random: new Given(cid, token, ...jitter) },
    });
  };
  const initiator = add("initiator", "udp://192.0.2.1:4001");
  const responder = add("responder", "udp://198.51.100.2:4002");
  responder.answer = (text) => `answer to ${text}`;
  const say = (text: string): void => {
    network.send(initiator, responder, text);
    network.run(2_000);
    if (textsOf(initiator).at(-1) !== `answer to ${text}`) throw new Error(`no answer to ${text}`);
  };
  say("the first request");
  say("the second request");
  initiator.address = network.addresses.parse("udp://203.0.113.3:4003");
  say("a request from elsewhere");
  initiator.channel.close(network.nowMs);
  network.run(100);
  const stray = Uint8Array.of(9, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 7, ...bytesOf("stray", 17));
  network.inject(initiator.address, responder, stray);
  network.run(100);
  const isResponder = ({ from }: Packet): boolean => from.key === responder.address.key;
  const named = Object.fromEntries(
    roles.map((role) => [
      role,
      describeSide(providers[role], role, { initiator, responder }[role].credentials),
    ]),
  ) as Record<Role, SideVector>;
  const types = typesOf(network.log);
  const transcript: DatagramTranscript = {
    name: isPrivate ? "in a private network" : "in a public network",
    network: describeNetwork(providers.initiator, isPrivate),
    ...named,
    initiatorCid: hex(seedsOf("initiator").cid),
    responderCid: hex(seedsOf("responder").cid),
    cookieSecret: hex(seedsOf("responder").cookie),
    pathToken: hex(seedsOf("responder").token),
    packets: network.log.map((packet, i) => ({
      from: isResponder(packet) ? "responder" : "initiator",
      source: packet.from.key,
      destination: packet.to.key,
      type: types[i] as string,
      hex: hex(packet.bytes),
    })),
    stray: hex(stray),
  };
  const inside = insideDatagrams(providers.initiator, transcript);
  return {
    ...transcript,
    packets: transcript.packets.map((packet, i) => ({ ...packet, inside: inside[i] ?? null })),
  };
}

/** The handshake, messages both ways, and the close. */
function streamTranscript(providers: Providers, isPrivate: boolean): StreamTranscript {
  const network = new StreamNetwork();
  const add = (role: Role) =>
    network.add(role, {
      provider: providers[role],
      credentials: credentialsOf(providers[role], role, isPrivate, false),
    });
  const initiator = add("initiator");
  const responder = add("responder");
  responder.answer = (text) => `answer to ${text}`;
  for (const text of ["the first request", "the second request"]) {
    network.send(initiator, responder, text);
    network.run(1_000);
    if (initiator.received.at(-1)?.text !== `answer to ${text}`) throw new Error(`no answer to ${text}`);
  }
  initiator.channel.close(network.nowMs);
  network.run(100);
  const transcript: StreamTranscript = {
    name: isPrivate ? "in a private network" : "in a public network",
    network: describeNetwork(providers.initiator, isPrivate),
    initiator: describeSide(providers.initiator, "initiator", initiator.credentials),
    responder: describeSide(providers.responder, "responder", responder.credentials),
    messages: network.log
      .filter(({ bytes }) => bytes.length > 0)
      .map(({ from, bytes }) => ({ from: from.name as Role, hex: hex(bytes) })),
  };
  const inside = insideStreams(providers.initiator, transcript);
  return {
    ...transcript,
    messages: transcript.messages.map((message, i) => ({ ...message, inside: inside[i] ?? null })),
  };
}

/** One record of each kind, and one under each option. */
function recordVectors(provider: CryptoProvider): object {
  const addresses = new AddressTable();
  const network = new Network(provider, networkName);
  const identity = SeedIdentity.fromSeed(provider, bytesOf("owner", 32));
  const records = new MutableRecords({ provider, network });
  const statements = new SignedProviders({ provider, network, addresses });
  const text = (words: string): Uint8Array => new TextEncoder().encode(words);
  const mutable = [
    { name: "of nothing", value: new Uint8Array(0), seq: 0, salt: new Uint8Array(0), ttlSeconds: 1 },
    { name: "with a salt", value: text("value"), seq: 7, salt: text("salt"), ttlSeconds: 86_400 },
    {
      name: "that ends",
      value: text("value"),
      seq: unixMs,
      salt: text("salt"),
      ttlSeconds: 60,
      seqIsTime: true,
    },
    {
      name: "of full size",
      value: new Uint8Array(896).fill(0xaa),
      seq: 2 ** 53 - 1,
      salt: new Uint8Array(32).fill(0xbb),
      ttlSeconds: 0xffff_ffff,
    },
  ].map(({ name, ...content }) => {
    const record = records.sign(identity, content);
    if (record instanceof Promise) throw new Error("late");
    return {
      name,
      seq: content.seq,
      salt: hex(content.salt),
      ttlSeconds: content.ttlSeconds,
      seqIsTime: content.seqIsTime ?? false,
      value: hex(content.value),
      key: record.key.toHex(),
      body: hex(record.body),
    };
  });
  const key = SeedIdentity.fromSeed(provider, bytesOf("key", 32)).id;
  const providers = [
    { name: "that says nothing", meta: new Uint8Array(0), addresses: [] },
    {
      name: "that says something, and where it is",
      meta: text("meta"),
      addresses: ["udp://192.0.2.1:4001", "tcp://[2001:db8::1]:4001"],
    },
  ].map(({ name, meta, addresses: urls }) => {
    const parsed = urls.map((url) => addresses.parse(url));
    const signed = statements.sign(identity, key, { unixMs, ttlSeconds: 3_600, meta, addresses: parsed });
    if (signed instanceof Promise) throw new Error("late");
    return {
      name,
      key: key.toHex(),
      unixMs,
      ttlSeconds: 3_600,
      meta: hex(meta),
      addresses: urls,
      signed: hex(signed),
    };
  });
  return {
    networkTag: hex(network.tag),
    owner: {
      identitySeed: hex(identity.exportSeed()),
      publicKey: hex(identity.publicKey),
      id: identity.id.toHex(),
    },
    mutable,
    providers,
  };
}

/** The files of the testkit's `vectors/`, by what follows `secure-`. */
export const vectorFiles = {
  datagrams: (providers: Providers): object => ({
    format: "kad-datagrams-1",
    transcripts: [datagramTranscript(providers, false), datagramTranscript(providers, true)],
  }),
  streams: (providers: Providers): object => ({
    format: "kad-streams-1",
    transcripts: [streamTranscript(providers, false), streamTranscript(providers, true)],
  }),
  records: (providers: Providers): object => ({
    format: "kad-records-1",
    ...recordVectors(providers.initiator),
  }),
} as const;

export function vectorFile(name: string): URL {
  return new URL(`../../../testkit/vectors/secure-${name}.json`, import.meta.url);
}

export function vectorText(content: object): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
