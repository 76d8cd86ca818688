/** Handshakes, step by step: every initiator takes a step, then the responder does with each of them. */
import type { NodeId, Path } from "@kad/core";
import type { Credentials, CryptoProvider, DatagramChannel, StreamChannel } from "@kad/crypto";
import { callsPerSecond, Stopwatch } from "../stopwatch.ts";
import { credentialsOf, datagramsOf, nowMs, pathTo, poll, seal, streamsOf } from "./peers.ts";

/** CPU time of one side of one handshake, in ms. */
export interface SideFigures {
  readonly initiatorMs: number;
  readonly responderMs: number;
}

const request = new Uint8Array(100).fill(1);
const answer = new Uint8Array(700).fill(2);

class Clock {
  readonly #spent = { initiator: 0, responder: 0 };

  time<T, R>(side: "initiator" | "responder", items: readonly T[], step: (item: T, index: number) => R): R[] {
    const watch = new Stopwatch();
    const results = items.map(step);
    this.#spent[side] += watch.read().cpuMs;
    return results;
  }

  figures(count: number): SideFigures {
    return { initiatorMs: this.#spent.initiator / count, responderMs: this.#spent.responder / count };
  }
}

interface Initiator<C> {
  readonly channel: C;
  /** Where the responder sees it. */
  readonly path: Path;
}

const firstPort = 10_000;

/**
 * HELLO to the DATA that confirms, with a request in HANDSHAKE and its answer in ACCEPT.
 * @param initiators strangers, unless they have met before with the same credentials
 */
export function datagramHandshakes(initiators: readonly Credentials[], responder: Credentials): SideFigures {
  const clock = new Clock();
  const server = datagramsOf(responder);
  const to = pathTo("udp", 9_000);
  const clients = initiators.map(
    (credentials, i): Initiator<DatagramChannel> => ({
      channel: datagramsOf(credentials),
      path: pathTo("udp", firstPort + i),
    }),
  );
  const hellos = clock.time("initiator", clients, ({ channel }) => {
    seal(channel, to, request, responder.id);
    return poll(channel);
  });
  const challenges = clock.time("responder", clients, ({ path }, i) => {
    server.open(nowMs, path, hellos[i] as Uint8Array);
    return poll(server);
  });
  const handshakes = clock.time("initiator", clients, ({ channel }, i) => {
    channel.open(nowMs, to, challenges[i] as Uint8Array);
    return poll(channel);
  });
  const accepts = clock.time("responder", clients, ({ path }, i) => {
    const opened = server.open(nowMs, path, handshakes[i] as Uint8Array);
    return seal(server, path, answer, opened?.from.peer, 0) as Uint8Array;
  });
  const confirmations = clock.time("initiator", clients, ({ channel }, i) => {
    if (channel.open(nowMs, to, accepts[i] as Uint8Array)?.plaintext.length !== answer.length)
      throw new Error("the answer did not come through");
    return poll(channel);
  });
  clock.time("responder", clients, ({ path }, i) => server.open(nowMs, path, confirmations[i] as Uint8Array));
  if (server.stats().sessionsOpened.responder !== clients.length) throw new Error("a session is missing");
  return clock.figures(clients.length);
}

/** XX over a stream, and the request with its answer. */
export function streamHandshakes(initiators: readonly Credentials[], responder: Credentials): SideFigures {
  const clock = new Clock();
  const server = streamsOf(responder);
  const to = pathTo("tcp", 9_000);
  const clients = initiators.map(
    (credentials, i): Initiator<StreamChannel> => ({
      channel: streamsOf(credentials),
      path: pathTo("tcp", firstPort + i, false),
    }),
  );
  const firsts = clock.time("initiator", clients, ({ channel }) => {
    seal(channel, to, request, responder.id);
    return poll(channel);
  });
  const seconds = clock.time("responder", clients, ({ path }, i) => {
    server.open(nowMs, path, firsts[i] as Uint8Array);
    return poll(server);
  });
  const thirds = clock.time("initiator", clients, ({ channel }, i) => {
    channel.open(nowMs, to, seconds[i] as Uint8Array);
    return [poll(channel), poll(channel)] as const;
  });
  const answers = clock.time("responder", clients, ({ path }, i) => {
    const [third, sealedRequest] = thirds[i] as readonly [Uint8Array, Uint8Array];
    server.open(nowMs, path, third);
    const opened = server.open(nowMs, path, sealedRequest);
    return seal(server, path, answer, opened?.from.peer, 0) as Uint8Array;
  });
  clock.time("initiator", clients, ({ channel }, i) => {
    if (channel.open(nowMs, to, answers[i] as Uint8Array)?.plaintext.length !== answer.length)
      throw new Error("the answer did not come through");
  });
  return clock.figures(clients.length);
}

/** CHALLENGEs for each second of CPU time: what a flood of HELLOs costs, each from somebody else. */
export function challengesPerSecond(provider: CryptoProvider, forMs: number): number {
  const responder = credentialsOf(provider);
  const server = datagramsOf(responder);
  const hellos = Array.from({ length: 64 }, (_, i) => {
    const channel = datagramsOf(credentialsOf(provider));
    seal(channel, pathTo("udp", 9_000), request, responder.id);
    return { path: pathTo("udp", firstPort + i), bytes: poll(channel) };
  });
  return callsPerSecond(forMs, (i) => {
    const { path, bytes } = hellos[i % hellos.length] as { path: Path; bytes: Uint8Array };
    server.open(nowMs, path, bytes);
    return poll(server);
  });
}

/** Two channels with a session, and how to pass a message from one to the other. */
export function joinedDatagrams(provider: CryptoProvider): {
  readonly from: DatagramChannel;
  readonly to: DatagramChannel;
  readonly path: Path;
  readonly back: Path;
  readonly peer: NodeId;
} {
  const [mine, theirs] = [credentialsOf(provider), credentialsOf(provider)];
  const [from, to] = [datagramsOf(mine), datagramsOf(theirs)];
  const [path, back] = [pathTo("udp", 9_000), pathTo("udp", firstPort)];
  seal(from, path, request, theirs.id);
  to.open(nowMs, back, poll(from));
  from.open(nowMs, path, poll(to));
  const opened = to.open(nowMs, back, poll(from));
  from.open(nowMs, path, seal(to, back, answer, opened?.from.peer, 0) as Uint8Array);
  to.open(nowMs, back, poll(from));
  return { from, to, path, back, peer: theirs.id };
}

export function joinedStreams(provider: CryptoProvider): {
  readonly from: StreamChannel;
  readonly to: StreamChannel;
  readonly path: Path;
  readonly back: Path;
  readonly peer: NodeId;
} {
  const [mine, theirs] = [credentialsOf(provider), credentialsOf(provider)];
  const [from, to] = [streamsOf(mine), streamsOf(theirs)];
  const [path, back] = [pathTo("tcp", 9_000), pathTo("tcp", firstPort, false)];
  seal(from, path, request, theirs.id);
  to.open(nowMs, back, poll(from));
  from.open(nowMs, path, poll(to));
  to.open(nowMs, back, poll(from));
  to.open(nowMs, back, poll(from));
  return { from, to, path, back, peer: theirs.id };
}
