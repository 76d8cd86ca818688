/** A holder's side of the requests about providers, as a stranger meets it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Contact, NodeId, Provider, ProviderValidator, Request, Response } from "../src/index.ts";
import { nativeProtocol } from "../src/index.ts";
import { MemoryRecordStore } from "../src/memory-record-store.ts";
import { defaultLimits } from "../src/options.ts";
import { ProviderAnswers } from "../src/provider-answers.ts";
import { noCursor, ProviderKeeper } from "../src/provider-keeper.ts";
import { ProviderRules } from "../src/provider-rules.ts";
import { TimerQueue } from "../src/timers.ts";
import { randomSource, sha256 } from "./pair.ts";
import { numbered, type SaidRequest, type Sent, Stage, type Stranger } from "./stage.ts";

const key = numbered(1_000);
const meta = Uint8Array.of(1, 2, 3);
type Page = Extract<Response, { type: "providers" }>;

function tokenFor(stage: Stage, stranger: Stranger, of: NodeId = key): Uint8Array | undefined {
  const nodes = stage.answerTo(stranger, { type: "findNode", target: of, wantToken: true });
  return nodes?.type === "nodes" ? nodes.token : undefined;
}

/** A stranger announces itself, with the token that it is given for it. */
function announce(
  stage: Stage,
  stranger: Stranger,
  given: Partial<Extract<Request, { type: "addProvider" }>> = {},
  said: SaidRequest = {},
): Response | undefined {
  const token = tokenFor(stage, stranger);
  const body = { type: "addProvider", token, key, lifetimeMs: 60_000, meta, ...given } as const;
  return stage.answerTo(stranger, body, said);
}

function ask(stage: Stage, stranger: Stranger, cursor: Uint8Array = noCursor, said: SaidRequest = {}): Page {
  const response = stage.answerTo(stranger, { type: "getProviders", key, cursor }, said);
  if (response?.type !== "providers") throw new Error(`no providers but ${JSON.stringify(response)}`);
  return response;
}

const idsOf = (providers: readonly Provider[]): string[] =>
  providers.map(({ contact }) => contact.id.toHex());
const stored = { type: "stored" };
const refused = (reason: string): unknown => ({ type: "refused", reason });

describe("a holder whose network has rules for providers", () => {
  /** The first byte says whose they are, the second how long they live, in seconds. */
  const providerValidator: ProviderValidator = {
    validate: (_key, provider, given) =>
      given[0] === provider.toBytes()[31] ? undefined : "of somebody else",
    lifetimeMs: (given) => (given[1] as number) * 1_000,
  };
  const metaOf = (stranger: Stranger, seconds: number) =>
    Uint8Array.of(stranger.id.toBytes()[31] as number, seconds);

  it("takes what passes, for as long as it says", () => {
    const stage = new Stage({ providerValidator });
    const provider = stage.stranger(1);
    expect(announce(stage, provider, { meta: metaOf(provider, 5) })).toEqual(stored);
    expect(ask(stage, stage.stranger(2)).providers[0]?.lifetimeMs).toBe(5_000);
    expect(announce(stage, provider, { meta: metaOf(provider, 200), lifetimeMs: 7_000 })).toEqual(stored);
    expect(ask(stage, stage.stranger(2)).providers[0]?.lifetimeMs).toBe(7_000);
  });

  it("refuses what does not, as misbehaviour, and what is over, which is none", () => {
    const stage = new Stage({ providerValidator });
    const [provider, other] = [stage.stranger(1), stage.stranger(2)];
    expect(announce(stage, provider, { meta: metaOf(other, 5) })).toEqual(refused("invalidRecord"));
    expect(stage.node.stats().misbehaviour.invalidValue).toBe(1);
    expect(announce(stage, provider, { meta: metaOf(provider, 0) })).toEqual(refused("expired"));
    expect(stage.node.stats().misbehaviour.invalidValue).toBe(1);
    expect(ask(stage, other).providers).toEqual([]);
  });

  it("lets everybody withdraw without them", () => {
    const stage = new Stage({ providerValidator });
    const provider = stage.stranger(1);
    announce(stage, provider, { meta: metaOf(provider, 5) });
    expect(announce(stage, provider, { lifetimeMs: 0, meta: new Uint8Array(0) })).toEqual(stored);
    expect(ask(stage, stage.stranger(2)).providers).toEqual([]);
  });

  it("holds itself to them", () => {
    const stage = new Stage({ providerValidator });
    const announceOwn = (given: Uint8Array) => () => stage.node.announce(stage.nowMs, key, { meta: given });
    expect(announceOwn(Uint8Array.of(77, 5))).toThrow(
      expect.objectContaining({ code: "invalidRecord", message: "meta: of somebody else" }),
    );
    const own = stage.node.id.toBytes()[31] as number;
    expect(announceOwn(Uint8Array.of(own, 0))).toThrow(
      expect.objectContaining({ message: "meta: they say of themselves that they are over" }),
    );
    expect(stage.node.stats().gauges.ownProviders.used).toBe(0);
    announceOwn(Uint8Array.of(own, 5))();
    expect(stage.node.stats().gauges.ownProviders.used).toBe(1);
  });
});

describe("a holder takes a provider", () => {
  it("at the address where it was seen, and names it to others until its lifetime ends", () => {
    const stage = new Stage();
    const provider = stage.stranger(1);
    expect(announce(stage, provider)).toEqual(stored);
    const { providers, cursor } = ask(stage, stage.stranger(2));
    expect(cursor.length).toBe(0);
    const contact = { id: provider.id, addresses: [provider.path.remote] };
    expect(providers).toEqual([{ contact, meta, lifetimeMs: 60_000 }]);
    stage.pass(59_999);
    expect(ask(stage, stage.stranger(2)).providers).toEqual([{ contact, meta, lifetimeMs: 1_000 }]);
    stage.pass(1);
    expect(stage.node.stats().gauges.providers.used).toBe(0);
    expect(ask(stage, stage.stranger(2)).providers).toEqual([]);
  });

  it("and what it declares behind that, an address that is both only once", () => {
    const stage = new Stage();
    const provider = stage.stranger(1);
    const other = stage.addresses.parse("tcp://10.0.1.7:4001");
    announce(stage, provider, {}, { declared: [other, provider.path.remote] });
    expect(ask(stage, stage.stranger(2)).providers[0]?.contact.addresses).toEqual([
      provider.path.remote,
      other,
    ]);
  });

  it("that is a client only where it says itself, never where it was seen", () => {
    const stage = new Stage();
    const client = stage.stranger(1);
    expect(announce(stage, client, {}, { client: true })).toEqual(refused("noAddress"));
    const declared = [stage.addresses.parse("ws://node.example:80/kad")];
    expect(announce(stage, client, {}, { client: true, declared })).toEqual(stored);
    expect(ask(stage, stage.stranger(2)).providers[0]?.contact).toEqual({
      id: client.id,
      addresses: declared,
    });
    expect(announce(stage, client, { lifetimeMs: 0 }, { client: true })).toEqual(stored);
    expect(stage.node.stats().gauges.providers.used).toBe(0);
  });

  it("that cannot be dialled where it was seen only where it says", () => {
    const stage = new Stage();
    const accepted = stage.stranger(1, "tcp://10.0.1.7:50000", { dialable: false });
    expect(announce(stage, accepted)).toEqual(refused("noAddress"));
    const declared = [stage.addresses.parse("tcp://10.0.1.7:4000")];
    expect(announce(stage, accepted, {}, { declared })).toEqual(stored);
    expect(stage.node.stats().refused.noAddress).toBe(1);
  });

  it("only with the token that it was given for this key, unless its id is proven", () => {
    const stage = new Stage();
    const provider = stage.stranger(1);
    const token = tokenFor(stage, provider, numbered(5)) as Uint8Array;
    expect(announce(stage, provider, { token })).toEqual(refused("badToken"));
    expect(announce(stage, provider, { token: undefined })).toEqual(refused("badToken"));
    const others = tokenFor(stage, stage.stranger(2)) as Uint8Array;
    expect(announce(stage, provider, { token: others })).toEqual(refused("badToken"));
    const proven = stage.stranger(3, undefined, { peer: stage.stranger(3).id });
    expect(announce(stage, proven, { token: undefined })).toEqual(stored);
    const late = tokenFor(stage, provider) as Uint8Array;
    stage.pass(2 * defaultLimits.tokenRotationMs);
    expect(announce(stage, provider, { token: late })).toEqual(refused("badToken"));
  });

  it("and lets nobody else withdraw it, whatever id they claim", () => {
    const stage = new Stage();
    const provider = stage.stranger(1);
    announce(stage, provider);
    const liar = { ...stage.stranger(2), id: provider.id };
    expect(announce(stage, liar, { lifetimeMs: 0 })).toEqual(refused("superseded"));
    expect(announce(stage, liar)).toEqual(refused("superseded"));
    expect(stage.node.stats().gauges.providers.used).toBe(1);
    const moved = { ...stage.stranger(1, "udp://10.0.1.7:4999"), id: provider.id };
    expect(announce(stage, moved)).toEqual(stored);
    expect(ask(stage, stage.stranger(3)).providers[0]?.contact.addresses).toEqual([moved.path.remote]);
    expect(announce(stage, provider, { lifetimeMs: 0 })).toEqual(stored);
    expect(stage.node.stats().gauges.providers.used).toBe(0);
  });

  it("not as a client: that keeps nothing for others, though it answers", () => {
    const stage = new Stage({ mode: "client" });
    const provider = stage.stranger(1);
    expect(announce(stage, provider)).toEqual(refused("unsupported"));
    expect(ask(stage, provider)).toEqual({
      type: "providers",
      providers: [],
      cursor: noCursor,
      contacts: [],
    });
  });

  it("up to its caps, the subnet of an unproven id counted", () => {
    const stage = new Stage({ limits: { maxProvidersPerSourceAndKey: 2, maxProvidersPerKey: 3 } });
    const neighbour = (i: number): Stranger => stage.stranger(i, `udp://10.7.7.${i}:4000`);
    expect(announce(stage, neighbour(1))).toEqual(stored);
    expect(announce(stage, neighbour(2))).toEqual(stored);
    expect(announce(stage, neighbour(3))).toEqual(refused("full"));
    expect(announce(stage, stage.stranger(4))).toEqual(stored);
    expect(announce(stage, stage.stranger(5))).toEqual(refused("full"));
    expect(stage.node.stats().refused.full).toBe(2);
    const { providers, providerKeys, providerBytes } = stage.node.stats().gauges;
    expect([providers.used, providerKeys.used, providerBytes.used]).toEqual([3, 1, 3 * (1 + 7 + 3)]);
  });
});

describe("a page", () => {
  /** So many providers, and as many other contacts as are asked for. */
  const crowd = (count: number, metaBytes = 3, friends = 0): Stage => {
    const stage = new Stage({ limits: { requestsPerSecond: 100_000, requestBurst: 100_000 } });
    for (let i = 0; i < friends; i++) stage.befriend(stage.stranger(1_000 + i));
    for (let i = 1; i <= count; i++)
      announce(stage, stage.stranger(i), { meta: new Uint8Array(metaBytes).fill(i) });
    return stage;
  };

  it("names nobody to itself, and nobody whom the asker cannot dial", () => {
    const stage = crowd(3);
    const declared = [stage.addresses.parse("ws://node.example:80/kad")];
    announce(stage, stage.stranger(9), {}, { client: true, declared });
    const ids = (numbers: number[]): string[] => numbers.map((n) => stage.stranger(n).id.toHex()).toSorted();
    expect(idsOf(ask(stage, stage.stranger(2)).providers).toSorted()).toEqual(ids([1, 3, 9]));
    expect(idsOf(ask(stage, stage.stranger(8), noCursor, { want: 1 }).providers).toSorted()).toEqual(
      ids([1, 2, 3]),
    );
    expect(idsOf(ask(stage, stage.stranger(8), noCursor, { want: 16 }).providers)).toEqual(ids([9]));
    expect(ask(stage, stage.stranger(8), noCursor, { want: 0 }).providers).toEqual([]);
  });

  it("leads to the next until everybody was named once, and only the first brings contacts", () => {
    const stage = crowd(120, 3, 10);
    const asker = stage.stranger(300);
    const seen: string[] = [];
    let cursor = noCursor;
    for (let pages = 0; ; pages++) {
      const page = ask(stage, asker, cursor);
      expect(page.contacts.length).toBe(pages === 0 ? 8 : 0);
      seen.push(...idsOf(page.providers));
      if (page.cursor.length === 0) break;
      expect(page.providers.length).toBeGreaterThanOrEqual(14);
      cursor = Uint8Array.from(page.cursor);
      expect(pages).toBeLessThan(10);
    }
    expect(seen.length).toBe(120);
    expect(new Set(seen).size).toBe(120);
  });

  it("with few providers has room for as many contacts as any answer", () => {
    const stage = crowd(2, 3, 30);
    const { providers, contacts } = ask(stage, stage.stranger(300));
    expect([providers.length, contacts.length]).toEqual([2, 20]);
  });

  it("of large providers holds one or two, so that each is reached", () => {
    const stage = crowd(5, 512);
    const asker = stage.stranger(300);
    const seen: string[] = [];
    let cursor = noCursor;
    do {
      const page = ask(stage, asker, cursor);
      expect(page.providers.length).toBeGreaterThanOrEqual(1);
      seen.push(...idsOf(page.providers));
      cursor = Uint8Array.from(page.cursor);
    } while (cursor.length > 0);
    expect(new Set(seen).size).toBe(5);
  });

  it("is never over three times as long as its request, from whoever is not proven", () => {
    const stage = crowd(60, 3, 4);
    const asker = stage.stranger(300);
    for (const padded of [true, false]) {
      const { length } = stage.ask(asker, { type: "getProviders", key, cursor: noCursor }, { padded });
      const reply = stage.poll().find(({ transmit }) => transmit.tag === 0) as Sent;
      expect(reply.bytes.length).toBeLessThanOrEqual(3 * length);
      // 76 bytes draw four contacts and nobody else, but say that there are more.
      const { body } = reply.message as unknown as { body: Page };
      expect(body.type).toBe("providers");
      expect(body.contacts.length).toBeGreaterThanOrEqual(4);
      expect(body.cursor.length).toBe(8);
      expect(body.providers.length > 10).toBe(padded);
    }
  });

  it("of a cursor that nobody gave is empty", () => {
    const stage = crowd(3);
    const page = ask(stage, stage.stranger(9), Uint8Array.of(1, 2, 3));
    expect(page).toEqual({ type: "providers", providers: [], cursor: noCursor, contacts: [] });
  });
});

describe("a holder that provides the key itself", () => {
  const provide = (options: { mode?: "server" | "client" } = {}): Stage => {
    const stage = new Stage(options);
    const own = stage.addresses.parse("udp://192.0.2.9:4000");
    stage.node.handleNetworkEvent(stage.nowMs, { type: "addressesChanged", addresses: [own] });
    stage.node.announce(stage.nowMs, key, { meta, lifetimeMs: 600_000 });
    stage.poll();
    return stage;
  };

  it("names itself first, on the first page", () => {
    const stage = provide();
    for (let i = 1; i <= 40; i++) announce(stage, stage.stranger(i));
    const asker = stage.stranger(300);
    const first = ask(stage, asker);
    expect(first.providers[0]).toEqual({
      contact: { id: stage.node.id, addresses: [stage.addresses.parse("udp://192.0.2.9:4000")] },
      meta,
      lifetimeMs: 600_000,
    });
    const second = ask(stage, asker, Uint8Array.from(first.cursor));
    expect(idsOf(second.providers)).not.toContain(stage.node.id.toHex());
    expect(idsOf(first.providers).filter((id) => id === stage.node.id.toHex()).length).toBe(1);
  });

  it("does not to whom it cannot be dialled by, as a client, or after it has withdrawn", () => {
    const stage = provide();
    expect(ask(stage, stage.stranger(1), noCursor, { want: 0b110000 }).providers).toEqual([]);
    expect(ask(stage, stage.stranger(1), noCursor, { want: 0b111111 }).providers.length).toBe(1);
    stage.node.withdraw(stage.nowMs, key);
    expect(ask(stage, stage.stranger(1)).providers).toEqual([]);
    expect(ask(provide({ mode: "client" }), stage.stranger(1)).providers).toEqual([]);
  });
});

describe("an answer on any wire", () => {
  /** Whether it is written at all, and how, for contacts and providers of any size. */
  it("is written into any room that holds four contacts, and leaves out providers rather than contacts", () => {
    const stage = new Stage();
    const protocol = nativeProtocol({ addresses: stage.addresses });
    const into = new Uint8Array(1_200);
    const addressCounts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 20 });
    const metas = fc.array(fc.nat(512), { maxLength: 30 });
    const contactsOf = (counts: readonly number[], from: number): Contact[] =>
      counts.map((count, i) => ({
        id: numbered(from + i),
        addresses: Array.from({ length: count }, (_, j) =>
          stage.addresses.parse(`ws://h${j}.example:${8_000 + i}`),
        ),
      }));
    const property = fc.property(
      addressCounts,
      metas,
      fc.integer({ min: 60, max: 1_200 }),
      (counts, sizes, room) => {
        const timers = new TimerQueue();
        const keeper = new ProviderKeeper({
          store: new MemoryRecordStore(),
          addresses: stage.addresses,
          limits: defaultLimits,
          random: randomSource(1),
          timers,
          report: () => undefined,
        });
        const answers = new ProviderAnswers({
          providers: keeper,
          providerRules: new ProviderRules(
            { sha256, limits: defaultLimits, unixMs: () => undefined, report: () => undefined },
            undefined,
          ),
          announcer: { provider: () => undefined },
          sourceOf: () => undefined,
          groupOf: () => undefined,
        });
        for (const [i, contact] of contactsOf(
          sizes.map(() => 1),
          500,
        ).entries()) {
          const offer = { key, contact, lifetimeMs: 60_000, meta: new Uint8Array(sizes[i] as number) };
          keeper.accept(0, offer, { host: undefined, source: undefined, isProven: false });
        }
        const contacts = contactsOf(counts, 700);
        let written: Page | undefined;
        const length = answers.answer(
          0,
          { key, cursor: noCursor, admits: () => true, closest: () => contacts },
          room,
          (body) => {
            const message = {
              kind: "response",
              requestId: { high: 1, low: 1 },
              sender: numbered(1),
              client: false,
              addresses: [],
              body,
            } as const;
            const bytes = protocol.encode(message, into, room, false);
            if (bytes !== undefined) written = body as Page;
            return bytes;
          },
        );
        const sizeOf = ({ addresses }: Contact): number =>
          33 + addresses.reduce((sum, { wire }) => sum + wire.length, 0);
        const four = contacts.slice(0, 4).reduce((sum, contact) => sum + sizeOf(contact), 0);
        const least = 43 + 1 + (sizes.length > 0 ? 8 : 0) + 2 + four;
        expect(length === undefined).toBe(least > Math.min(room, 1_143));
        if (length === undefined || written === undefined) return;
        expect(length).toBeLessThanOrEqual(Math.min(room, 1_143));
        const named = written.providers.length;
        expect(named === sizes.length).toBe(written.cursor.length === 0);
      },
    );
    fc.assert(property, { seed: 8, numRuns: 300 });
  });
});
