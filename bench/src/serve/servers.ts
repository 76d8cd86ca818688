/** What answers the load: bare echoes and nodes, each in its own loop. */
import { createSocket } from "node:dgram";
import { AddressTable, type KadNode, type Transmit } from "@kad/core";
import { epollNode } from "@kad/loop-epoll";
import { openUv, uvNode, uvUdp } from "@kad/loop-libuv";
import { runNode } from "@kad/loop-node";
import { udp } from "@kad/transport-udp";
import { posixUdp, watchedByNode } from "@kad/transport-udp/posix";
import { batch, Messages, RawSocket } from "./raw-socket.ts";
import { answerBytes, type Kind, type ServedNode, servedNode } from "./requests.ts";

export interface Server {
  readonly port: number;
  /** Requests answered since the start. */
  readonly answered: () => number;
  /** Times that the loop has waited. */
  readonly waits?: () => number;
  /** Serves for so long. A loop that blocks returns nothing. */
  readonly run: (forMs: number) => void | Promise<void>;
  readonly close: () => void | Promise<void>;
}

export type Way =
  | "dgram"
  | "posix, epoll"
  | "posix, Node's loop"
  | "posix, libuv"
  | "uv_udp_t"
  | "posix by hand";

const listen = "udp://127.0.0.1:0";
/** A sum that the system would cap: a burst of the load fits into less. */
const recvBufferBytes = 2 ** 20;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function echo(on: "dgram" | "posix" | "libuv", kind: Kind): Promise<Server> {
  const answer = new Uint8Array(answerBytes[kind]).fill(1);
  if (on === "dgram") return await echoOnDgram(answer);
  return on === "posix" ? echoOnPosix(answer) : echoOnLibuv(answer);
}

async function echoOnDgram(answer: Uint8Array): Promise<Server> {
  const socket = createSocket({
    type: "udp4",
    recvBufferSize: recvBufferBytes,
    lookup: (host, _options, done) => done(null, host, 4),
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  let answered = 0;
  socket.on("message", (_message, from) => {
    answered++;
    socket.send(answer, from.port, from.address);
  });
  return {
    port: socket.address().port,
    answered: () => answered,
    run: pause,
    close: () => void socket.close(),
  };
}

function echoOnPosix({ length }: Uint8Array): Server {
  const socket = new RawSocket();
  const messages = new Messages(socket.native, batch, 2_048);
  let answered = 0;
  return {
    port: socket.port,
    answered: () => answered,
    run(forMs) {
      const untilMs = performance.now() + forMs;
      while (performance.now() < untilMs) {
        if (!socket.wait(100)) continue;
        const received = socket.receive(messages, 0);
        for (let slot = 0; slot < received; slot++) messages.answer(slot, length);
        answered += Math.max(0, socket.send(messages, 0, received));
      }
    },
    close: () => undefined,
  };
}

function echoOnLibuv(answer: Uint8Array): Server {
  const uv = openUv();
  const loop = uv.uv_loop_init();
  const socket = uv.uv_udp_init(loop);
  const address = new Uint8Array(32);
  address.set([2, 0, 0, 0, 127, 0, 0, 1]);
  uv.uv_udp_bind(socket, address, 0);
  let answered = 0;
  uv.uv_udp_recv_start(socket, (_nread, _bytes, from) => {
    answered++;
    uv.uv_udp_try_send(socket, answer, from);
  });
  const end = uv.uv_timer_init(loop);
  return {
    port: uv.uv_udp_getsockname(socket),
    answered: () => answered,
    run(forMs) {
      uv.uv_update_time(loop);
      uv.uv_timer_start(end, () => uv.uv_stop(loop), forMs, 0);
      uv.uv_run(loop, "default");
    },
    close() {
      for (const handle of [socket, end]) uv.uv_close(handle);
      uv.uv_run(loop, "nowait");
      uv.uv_loop_close(loop);
    },
  };
}

/** What a node that nobody asks does. */
export interface IdleCounts {
  /** Times that somebody has looked whether there is something to send. */
  turns: number;
  /** Deadlines of its own that were handled. */
  deadlines: number;
}

/** With `counts` a node that knows nobody, and is counted. */
export async function node(way: Way, counts?: IdleCounts): Promise<Server> {
  const { machine, addresses } = servedNode(performance.now(), counts === undefined ? undefined : 0);
  if (counts !== undefined) count(machine, counts);
  const answered = (): number => machine.stats().requestsReceived;
  const portOf = (key: string | undefined): number => addresses.parse(key ?? "").port;
  const report = (error: unknown): never => {
    throw error;
  };
  const common = { machine, addresses, report };
  switch (way) {
    case "dgram":
    case "posix, Node's loop": {
      const options = { listen, recvBufferBytes };
      const transport = way === "dgram" ? udp(options) : watchedByNode(posixUdp(options));
      const running = await runNode({ ...common, transports: [transport] });
      const port = portOf(running.router.localAddresses[0]?.key);
      return { port, answered, run: pause, close: () => running.close() };
    }
    case "posix, epoll": {
      const running = epollNode({ ...common, transports: [posixUdp({ listen, recvBufferBytes })] });
      return {
        port: portOf(running.router.localAddresses[0]?.key),
        answered,
        waits: () => running.stats().waits,
        run(forMs) {
          const untilMs = performance.now() + forMs;
          for (let leftMs = forMs; leftMs >= 1; leftMs = untilMs - performance.now()) running.wait(leftMs);
        },
        close: () => running.close(),
      };
    }
    case "posix, libuv":
    case "uv_udp_t": {
      const binding = openUv();
      const loop = binding.uv_loop_init();
      const transport = way === "uv_udp_t" ? uvUdp({ listen }) : posixUdp({ listen, recvBufferBytes });
      const running = uvNode({ ...common, transports: [transport], binding, loop });
      const end = binding.uv_timer_init(loop);
      return {
        port: portOf(running.router.localAddresses[0]?.key),
        answered,
        run(forMs) {
          binding.uv_update_time(loop);
          binding.uv_timer_start(end, () => binding.uv_stop(loop), forMs, 0);
          binding.uv_run(loop, "default");
        },
        close() {
          binding.uv_close(end);
          running.close();
          for (let i = 0; i < 3; i++) binding.uv_run(loop, "nowait");
          binding.uv_loop_close(loop);
        },
      };
    }
    case "posix by hand":
      return byHand();
  }
}

function count(machine: KadNode, counts: IdleCounts): void {
  const pollTransmit = machine.pollTransmit.bind(machine);
  const handleTimeout = machine.handleTimeout.bind(machine);
  machine.pollTransmit = (nowMs, into) => {
    const transmit = pollTransmit(nowMs, into);
    if (transmit === undefined) counts.turns++;
    return transmit;
  };
  machine.handleTimeout = (nowMs) => {
    const deadline = machine.nextDeadline();
    if (deadline !== undefined && deadline.atMs <= nowMs) counts.deadlines++;
    handleTimeout(nowMs);
  };
}

/** The machine and the transport, and between them the least that a correct loop does: no driver, no router, no adapter. */
function byHand(): Server {
  const { machine, addresses } = servedNode(performance.now());
  const transport = posixUdp({ listen, recvBufferBytes });
  addresses.setLink("udp4", { link: 1, maxBytes: transport.maxBytes });
  let nowMs = performance.now();
  const nothing = (): void => undefined;
  transport.open(
    {
      message: (from, bytes) => machine.handleNetworkEvent(nowMs, { type: "message", from, bytes }),
      deferred: nothing,
      sent: nothing,
      sendFailed: (to, tag, reason) =>
        machine.handleNetworkEvent(nowMs, {
          type: "sendFailed",
          to,
          reason,
          ...(tag !== undefined && { tag }),
        }),
      flow: nothing,
      addressesChanged: nothing,
      report: nothing,
    },
    addresses,
  );
  machine.handleNetworkEvent(nowMs, { type: "addressesChanged", addresses: transport.localAddresses });
  const [socket] = transport.sockets;
  if (socket === undefined) throw new Error("the transport has no socket");
  const { native } = new RawSocket();
  const event = native.allocate(16, "an event of epoll");
  const wait = native.func("int epoll_wait(int set, uintptr_t events, int length, int timeout)");
  const set = native.checked("epoll_create1", native.func("int epoll_create1(int flags)")(0));
  event.u32[0] = 1; // readable
  const control = native.func("int epoll_ctl(int set, int operation, int fd, uintptr_t event)");
  native.checked("epoll_ctl", control(set, 1, socket.fd, event.address));
  const scratch = new Uint8Array(1_200);
  const send = (): Transmit | undefined => machine.pollTransmit(nowMs, scratch);
  let waits = 0;
  return {
    port: addresses.parse(transport.localAddresses[0]?.key ?? "").port,
    answered: () => machine.stats().requestsReceived,
    waits: () => waits,
    run(forMs) {
      const untilMs = performance.now() + forMs;
      while (nowMs < untilMs) {
        waits++;
        const atMs = machine.nextDeadline()?.atMs ?? nowMs + 100;
        wait(set, event.address, 1, Math.max(0, Math.min(100, Math.ceil(atMs - nowMs))));
        nowMs = performance.now();
        socket.receive(256);
        machine.handleTimeout(nowMs);
        for (let transmit = send(); transmit !== undefined; transmit = send()) {
          transport.send(transmit, scratch.subarray(0, transmit.length));
        }
        while (machine.pollEvent() !== undefined);
        transport.flush();
      }
    },
    close: () => transport.close(),
  };
}

/** What core alone takes: requests by hand, answers into a buffer. Returns how many were answered. */
export function coreAlone(messages: readonly Uint8Array[], forMs: number): number {
  alone ??= servedNode(0);
  const { machine } = alone;
  const untilMs = performance.now() + forMs;
  let answered = 0;
  for (let i = 0; performance.now() < untilMs; ) {
    aloneMs += 0.1;
    for (const end = i + batch; i < end; i++) {
      const bytes = messages[i % messages.length] as Uint8Array;
      machine.handleNetworkEvent(aloneMs, { type: "message", from: asker, bytes });
    }
    while (machine.pollTransmit(aloneMs, scratch) !== undefined) answered++;
    while (machine.pollEvent() !== undefined);
    machine.nextDeadline();
  }
  return answered;
}

let alone: ServedNode | undefined;
let aloneMs = 1;
const scratch = new Uint8Array(1_200);
const asker = { remote: new AddressTable().parse("udp://127.0.0.1:5000"), dialable: true };
