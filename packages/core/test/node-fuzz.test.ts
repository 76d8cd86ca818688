/**
 * A million datagrams that no honest node would send, at a node that is in the middle of its work.
 *
 * Half of them are messages that were really on the wire, changed a little; the other half are noise behind a valid
 * header. Nothing throws, nothing grows past its bound, and the node works as before.
 */
import { describe, expect, it } from "vitest";
import type { NodeEvent } from "../src/index.ts";
import { immutableRecord, NodeId } from "../src/index.ts";
import { type Host, Network, seededRandom } from "./pair.ts";
import { sha256 } from "./sha256.ts";

const datagrams = 1_000_000;
/** As often the node is asked for what it has to say, and does something of its own. */
const turnEvery = 64;

/** A small network at work, and every message that a listener on its wire has seen. */
function networkAtWork(seed: number): { net: Network; victim: Host; seen: Uint8Array[] } {
  const seen: Uint8Array[] = [];
  const net = new Network({
    seed,
    onDatagram: (_nowMs, _from, _to, bytes) => void (seen.length < 400 && seen.push(bytes)),
  });
  const hosts = Array.from({ length: 8 }, () => net.add());
  const victim = hosts[0] as Host;
  for (const host of hosts.slice(1))
    net.finish(host, host.node.bootstrap(net.nowMs, [{ addresses: [victim.address] }]));
  net.finish(victim, victim.node.put(net.nowMs, immutableRecord(sha256, Uint8Array.of(7))));
  return { net, victim, seen };
}

describe("a node under a million malicious datagrams", () => {
  it.each([1, 2])(
    "neither throws nor grows nor stops working (seed %d)",
    (seed) => {
      const { net, victim, seen } = networkAtWork(seed);
      const { node } = victim;
      const random = seededRandom(seed * 7_919);
      const scratch = new Uint8Array(1_200);
      const into = new Uint8Array(1_200);
      // Loopback is exempt from rate limits, which would keep nearly all of it out.
      const strangers = Array.from({ length: 64 }, (_, i) =>
        net.addresses.parse(`udp://${i < 48 ? 127 : 198}.51.${i}.1:9`),
      );
      const events = new Map<NodeEvent["type"], number>();
      let ends = 0;
      for (let i = 0; i < datagrams / 2; i++) {
        const length = malicious(random.next, seen, scratch, victim.node.id);
        const remote = strangers[random.next() % strangers.length] as (typeof strangers)[0];
        const from = random.next() % 8 === 0 ? net.hosts[random.next() % net.hosts.length] : undefined;
        const path = { remote: from?.address ?? remote, dialable: random.next() % 4 !== 0 };
        node.handleNetworkEvent(net.nowMs, {
          type: "message",
          from: path,
          bytes: scratch.subarray(0, length),
        });
        if (i % turnEvery !== 0) continue;
        net.nowMs += 5;
        node.handleTimeout(net.nowMs);
        if (i % (turnEvery * 32) === 0) node.findNode(net.nowMs, NodeId.fromBytes(scratch, 0, 32));
        for (
          let t = node.pollTransmit(net.nowMs, into);
          t !== undefined;
          t = node.pollTransmit(net.nowMs, into)
        ) {
          expect(t.length).toBeLessThanOrEqual(1_200);
          // What the node asks of others is material for the next attack: right ids, wrong everything else.
          if (t.tag !== 0)
            seen[random.next() % seen.length] = responseTo(into.subarray(0, t.length), random.next);
        }
        for (let event = node.pollEvent(); event !== undefined; event = node.pollEvent()) {
          events.set(event.type, (events.get(event.type) ?? 0) + 1);
          if (event.type === "queryFinished") ends++;
        }
      }
      const { gauges } = node.stats();
      for (const [name, { used, limit }] of Object.entries(gauges))
        expect(used, name).toBeLessThanOrEqual(limit);
      expect(ends).toBeGreaterThan(100);
      expect(events.get("error") ?? 0).toBe(0);
      net.run(600_000);
      const found = net.finish(victim, node.findNode(net.nowMs, (net.hosts[3] as Host).node.id));
      expect(found.end).toBe("converged");
    },
    120_000,
  );
});

function malicious(
  next: () => number,
  seen: readonly Uint8Array[],
  into: Uint8Array,
  target: NodeId,
): number {
  const original = seen[next() % seen.length] as Uint8Array;
  into.set(original);
  if (next() % 2 === 0) {
    const length = 43 + (next() % 600);
    for (let i = 43; i < length; i++) into[i] = next();
    into[1] = next() % 3 === 0 ? next() : (next() % 8) | (next() % 2 === 0 ? 0x80 : 0);
    into[2] = next();
    if (next() % 50 === 0) target.writeTo(into, 11);
    return length;
  }
  let { length } = original;
  for (let changes = next() % 4; changes > 0; changes--) into[next() % length] = next();
  if (next() % 8 === 0) length = 1 + (next() % length);
  return length;
}

/** The header of an answer to the request in `bytes`, and noise behind it. */
function responseTo(bytes: Uint8Array, next: () => number): Uint8Array {
  const answer = Uint8Array.from(bytes);
  answer[1] = (bytes[1] as number) | 0x80;
  answer[2] = (bytes[2] as number) & 0x80;
  for (let i = 43; i < answer.length; i++) if (next() % 3 === 0) answer[i] = next();
  return answer;
}
