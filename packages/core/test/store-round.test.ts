import { describe, expect, it } from "vitest";
import type { Contact } from "../src/contact.ts";
import type { RefusalReason, Request, Response } from "../src/protocol.ts";
import type { Asked } from "../src/query.ts";
import { StoreRound } from "../src/store-round.ts";
import { WithdrawQuery } from "../src/withdraw-query.ts";
import { tinyContact, tinyId } from "./tiny-id.ts";

const key = tinyId(1);
const holders = [tinyContact(2), tinyContact(3), tinyContact(4)];
const meta = new Uint8Array(0);
const request = (token: Uint8Array | undefined): Request => ({
  type: "addProvider",
  token,
  key,
  lifetimeMs: 0,
  meta,
});
const tokens = (): Map<string, Uint8Array> =>
  new Map(holders.map(({ id }, i) => [id.key, new Uint8Array(8).fill(i)]));

function ask(round: StoreRound): Asked {
  const step = round.next(0, () => true);
  if (step.type !== "ask") throw new Error(`${step.type} instead of a request`);
  return step;
}

function answer(round: StoreRound, asked: Asked, body: Response): void {
  const sender = (asked.to as Contact).id;
  const requestId = { high: 1, low: 1 };
  round.onResponse(asked, { kind: "response", requestId, sender, client: false, addresses: [], body });
}

const refused = (reason: RefusalReason): Response => ({ type: "refused", reason });
const nodes = (token?: Uint8Array): Response => ({ type: "nodes", contacts: [], token });
const ended = { type: "end", end: "converged" };

describe("a round of storing", () => {
  it("tells each holder with its own token, all at once, and ends with the last answer", () => {
    const round = new StoreRound({ target: key, holders, request, tokens: tokens() });
    const asked = holders.map(() => ask(round));
    expect(asked.map(({ to, body }) => [to, body])).toEqual(
      holders.map((holder, i) => [holder, request(new Uint8Array(8).fill(i))]),
    );
    expect(round.next(0, () => true)).toEqual({ type: "wait" });
    expect(round.result()).toMatchObject({ asked: 3, accepted: 0, refusals: { noAnswer: 3 } });
    for (const one of asked) answer(round, one, { type: "stored" });
    expect(round.next(0, () => true)).toEqual(ended);
    expect(round.result()).toEqual({ type: "stored", asked: 3, accepted: 3, holders, refusals: {} });
    expect(round.told()).toEqual(holders);
  });

  it("passes over whom it cannot reach now", () => {
    const round = new StoreRound({ target: key, holders, request, tokens: tokens() });
    const step = round.next(0, (to) => to === holders[1]);
    expect(step).toMatchObject({ type: "ask", to: holders[1] });
    expect(round.next(0, () => false)).toEqual({ type: "wait" });
    expect(ask(round).to).toBe(holders[0]);
  });

  it("asks a holder that refuses its token for a new one, once", () => {
    const [holder] = holders as [Contact];
    const round = new StoreRound({ target: key, holders: [holder], request, tokens: tokens() });
    const borrowed = new Uint8Array(8).fill(9);
    answer(round, ask(round), refused("badToken"));
    const again = ask(round);
    expect(again.body).toEqual({ type: "findNode", target: key, wantToken: true });
    answer(round, again, nodes(borrowed));
    borrowed.fill(0xaa);
    const second = ask(round);
    expect(second.body).toEqual(request(new Uint8Array(8).fill(9)));
    answer(round, second, refused("badToken"));
    expect(round.next(0, () => true)).toEqual(ended);
    expect(round.result()).toMatchObject({ asked: 1, accepted: 0, refusals: { badToken: 1 } });
    expect(round.told()).toEqual([]);
  });

  it("without tokens asks for one first; a holder that gives none is told without", () => {
    const round = new StoreRound({ target: key, holders: holders.slice(0, 2), request, tokens: undefined });
    const [first, second] = [ask(round), ask(round)];
    expect(first.body.type).toBe("findNode");
    answer(round, first, nodes());
    answer(round, second, refused("busy"));
    const told = ask(round);
    expect(told).toMatchObject({ to: holders[0], body: request(undefined) });
    answer(round, told, { type: "stored" });
    expect(round.next(0, () => true)).toEqual(ended);
    expect(round.result()).toMatchObject({ asked: 2, accepted: 1, refusals: { badToken: 1 } });
  });

  it("waits for nobody who is overdue, though a late answer counts", () => {
    const round = new StoreRound({ target: key, holders: holders.slice(0, 2), request, tokens: tokens() });
    const [first, second] = [ask(round), ask(round)];
    answer(round, second, { type: "stored" });
    round.onOverdue(first.to as Contact);
    expect(round.next(0, () => true)).toEqual(ended);
    expect(round.result()).toMatchObject({ accepted: 1, refusals: { noAnswer: 1 } });
    expect(round.told()).toEqual(holders.slice(0, 2));
    answer(round, first, { type: "stored" });
    expect(round.result()).toMatchObject({ accepted: 2, refusals: {} });
  });

  it("counts why each failed; who may have heard it counts as told", () => {
    const round = new StoreRound({ target: key, holders, request, tokens: tokens() });
    const asked = holders.map(() => ask(round));
    round.onFailure(asked[0]?.to as Contact, "noAnswer");
    answer(round, asked[1] as Asked, refused("full"));
    answer(round, asked[2] as Asked, refused("full"));
    expect(round.result()).toMatchObject({ asked: 3, accepted: 0, refusals: { noAnswer: 1, full: 2 } });
    expect(round.told()).toEqual([holders[0]]);
  });

  it("takes no notice of others", () => {
    const round = new StoreRound({ target: key, holders: [], request, tokens: tokens() });
    const stranger = tinyContact(9);
    expect(round.has(stranger)).toBe(false);
    round.onFailure(stranger, "noAnswer");
    round.onOverdue(stranger);
    answer(round, { to: stranger, body: request(undefined) }, { type: "stored" });
    expect(round.next(0, () => true)).toEqual(ended);
    expect(round.result()).toMatchObject({ asked: 0, accepted: 0, holders: [], refusals: {} });
  });
});

describe("a withdrawal", () => {
  it("asks each holder for a token, then tells it, and goes on without those that fail", () => {
    const query = new WithdrawQuery(key, holders);
    const next = (): Asked => {
      const step = query.next(0, () => true);
      if (step.type !== "ask") throw new Error(`${step.type} instead of a request`);
      return step;
    };
    const reply = (asked: Asked, body: Response): void => {
      const sender = (asked.to as Contact).id;
      const requestId = { high: 1, low: 1 };
      query.onResponse(0, asked, { kind: "response", requestId, sender, client: false, addresses: [], body });
    };
    const [first, second, third] = [next(), next(), next()];
    expect(first.body).toEqual({ type: "findNode", target: key, wantToken: true });
    query.onFailure(0, first, "unreachable");
    query.onSlow(second);
    query.onOverdue(second);
    reply(third, nodes(new Uint8Array(8).fill(7)));
    const told = next();
    expect(told).toMatchObject({ to: holders[2], body: request(new Uint8Array(8).fill(7)) });
    reply(told, { type: "stored" });
    expect(query.next(0, () => true)).toEqual(ended);
    const refusals = { unreachable: 1, noAnswer: 1 };
    expect(query.result()).toEqual({
      type: "stored",
      asked: 3,
      accepted: 1,
      holders: [holders[2]],
      refusals,
    });
    expect(query.figures()).toEqual({ rounds: 2, hops: 0 });
  });
});
