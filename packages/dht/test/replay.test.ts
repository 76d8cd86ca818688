/** A recording of an encrypted node: what it did inside its channels can be done again. */
import { CallLog, recordedNode, replay } from "@kad/sim";
import { afterEach, expect, it } from "vitest";
import { replayValidators } from "../src/index.ts";
import { anyones, Loopback, rejection, urlOf } from "./support/network.ts";

const net = new Loopback({ closeTimeoutMs: 0 });
afterEach(() => net.close());

it("is played with the same outputs, given what the node demands of records and providers", async () => {
  const lines: string[] = [];
  const log = new CallLog({ sink: (line) => lines.push(line) });
  const node = await net.open({ machine: (options) => recordedNode(options, log) });
  const peer = await net.open({ bootstrap: [urlOf(node)] });
  await peer.set("name", "signed");
  await peer.set("name", "open", anyones);
  await peer.announce("a service");
  expect((await node.findProviders("a service")).providers).toHaveLength(1);
  expect(await node.getText("name", { owner: peer.publicKey })).toBe("signed");
  await node.close();
  log.end();
  const report = replay(lines, await replayValidators());
  expect(report).toMatchObject({ difference: undefined, end: "ended" });
  expect(report.messagesIn).toBeGreaterThan(10);
  const { validators } = await replayValidators();
  expect(() => replay(lines, { validators })).toThrow("the one of providers");
  expect(() => replay(lines)).toThrow("mutable");
  expect(await rejection(replayValidators(""))).toMatchObject({ code: "invalidOption" });
  const elsewhere = replay(lines, await replayValidators("another network"));
  expect(elsewhere.difference).toBeDefined();
});
