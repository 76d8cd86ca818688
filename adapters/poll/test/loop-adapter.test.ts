import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { copyBytes } from "@kad/core";
import { UnavailableError } from "@kad/native";
import { loopAdapterSuite, type MakeLoop } from "@kad/testkit";
import { udp } from "@kad/transport-udp";
import { posixUdp } from "@kad/transport-udp/posix";
import { describe, it } from "vitest";
import { hostSocket, openPollNode, type PollNode, pollNode } from "../src/index.ts";

const read = createRequire(import.meta.url);
const traces = ["client", "server"].map((name) => read(`@kad/testkit/vectors/trace-${name}.json`) as unknown);
const common = { traces, runner: { describe, it } };

/** How a host turns a node, in each of the three styles. */
const styles: readonly [string, (node: PollNode) => void][] = [
  [
    "separate concerns",
    (node) => {
      const isReadable = node.sockets.length > 0 || node.getNextTimeoutMs() === 0; // for all that this host knows
      if (isReadable) node.handleNetworkEvent();
      else node.handleTimeout();
    },
  ],
  ["a descriptor", (node) => void node.processEvents(64)],
  ["periodic calls", (node) => void node.periodic()],
];

const idle = new Int32Array(new SharedArrayBuffer(4));

/** Turns everybody once, and sleeps for a millisecond where nobody has anything to do. */
function turnAll(nodes: readonly PollNode[], turn: (node: PollNode) => void): void {
  for (const node of nodes) turn(node);
  if (nodes.every((node) => (node.getNextTimeoutMs() ?? 1) > 0)) Atomics.wait(idle, 0, 0, 1);
}

/** Of this process. */
const openDescriptors = (): number =>
  readdirSync(process.platform === "linux" ? "/proc/self/fd" : "/dev/fd").length;

function onPosixSockets(turn: (node: PollNode) => void): MakeLoop {
  return () => {
    const nodes: PollNode[] = [];
    return {
      start(options) {
        const node = pollNode(options);
        nodes.push(node);
        return { driver: node.driver, close: () => void node.close() };
      },
      transport: () => posixUdp({ listen: "udp://127.0.0.1:0" }),
      openHandles: openDescriptors,
      run(isDone, forMs) {
        const endMs = performance.now() + forMs;
        while (!isDone() && performance.now() < endMs) turnAll(nodes, turn);
      },
    };
  };
}

/** A network that is an array: the host hands bytes in, and takes them. */
function onHostSockets(turn: (node: PollNode) => void): MakeLoop {
  return () => {
    const nodes = new Map<string, PollNode>();
    const underWay: { readonly from: string; readonly to: string; readonly bytes: Uint8Array }[] = [];
    let hosts = 0;
    return {
      start(options) {
        const node = pollNode(options);
        for (const { key } of node.router.localAddresses) nodes.set(key, node);
        return { driver: node.driver, close: () => void node.close() };
      },
      transport() {
        const local = `udp://192.0.2.${++hosts}:4100`;
        return hostSocket({
          local,
          send: (bytes, to) => void underWay.push({ from: local, to: to.key, bytes: copyBytes(bytes) }),
        });
      },
      run(isDone, forMs) {
        const endMs = performance.now() + forMs;
        while (!isDone() && performance.now() < endMs) {
          for (const { from, to, bytes } of underWay.splice(0)) nodes.get(to)?.deliver(bytes, from);
          turnAll([...nodes.values()], turn);
        }
      },
    };
  };
}

function whyNoPosix(): string | undefined {
  try {
    posixUdp();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

for (const [style, turn] of styles) {
  loopAdapterSuite(onHostSockets(turn), {
    name: `a host that owns the socket, with ${style}`,
    isSynchronous: true,
    skip: {
      "an error of a transport that concerns no one message reaches report":
        "the host hands messages to the node itself, and not to its transport's sink",
      "rule 7: nothing leaks: every handle is freed": "the node has none: sockets and timers are the host's",
    },
    ...common,
  });
}

const whyNot = whyNoPosix();
describe.skipIf(whyNot !== undefined)(
  `posix sockets${whyNot === undefined ? "" : `, skipped: ${whyNot}`}`,
  () => {
    if (whyNot !== undefined) return;
    for (const [style, turn] of styles) {
      loopAdapterSuite(onPosixSockets(turn), {
        name: `posix sockets, with ${style}`,
        isSynchronous: true,
        ...common,
      });
    }
  },
);

/** A game, say, that calls `periodic` in each frame, in Node's own loop. */
const onDgram: MakeLoop = () => {
  const frames: NodeJS.Timeout[] = [];
  return {
    async start(options) {
      const node = await openPollNode(options);
      const frame = setInterval(() => node.periodic(), 2);
      frames.push(frame);
      return {
        driver: node.driver,
        close() {
          clearInterval(frame);
          return node.close();
        },
      };
    },
    transport: () => udp({ listen: "udp://127.0.0.1:0" }),
    openHandles: () =>
      process.getActiveResourcesInfo().filter((name) => name === "UDPWrap" || name === "Timeout").length,
    close: () => frames.forEach(clearInterval),
  };
};

loopAdapterSuite(onDgram, { name: "dgram, called in every frame", ...common });
