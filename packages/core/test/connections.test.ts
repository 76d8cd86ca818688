/** Which connection serves an address, and when one is opened and closed; in virtual time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionStage, message, type PlayedSocket } from "./connection-stage.ts";

const second = 1_000;
const minute = 60 * second;

describe("a dial", () => {
  it("is begun by the first message to an address, which leaves when it succeeds", () => {
    const stage = new ConnectionStage();
    expect(stage.send(1, message(7), 11)).toBe("queued");
    const [socket] = stage.dials as [PlayedSocket];
    expect(socket.connection.path).toMatchObject({ dialable: true, remote: { key: "tcp://10.0.0.1:4100" } });
    expect(socket.messages).toEqual([]);
    stage.connections.opened(stage.nowMs, socket.connection);
    expect(socket.messages).toEqual(["7"]);
    expect(stage.told).toEqual(["deferred 11", "sent 11"]);
  });

  it("serves all that is sent to its address meanwhile, in order, and what is sent afterwards", () => {
    const stage = new ConnectionStage();
    for (const number of [1, 2, 3]) stage.send(1, message(number), number);
    expect(stage.dials).toHaveLength(1);
    const [socket] = stage.dials as [PlayedSocket];
    stage.connections.opened(stage.nowMs, socket.connection);
    expect(stage.send(1, message(4), 4)).toBe("sent");
    stage.flush();
    expect(socket.messages).toEqual(["1", "2", "3", "4"]);
    expect(stage.told.filter((line) => line.startsWith("sent"))).toEqual(["sent 1", "sent 2", "sent 3"]);
  });

  it("that two nodes begin towards each other gives each of them its own, and an answer goes back on the one it came by", () => {
    const stage = new ConnectionStage();
    stage.send(1, message(1), 1);
    const accepted = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
    const [dialled] = stage.dials as [PlayedSocket];
    stage.connections.opened(stage.nowMs, dialled.connection);
    stage.hear(accepted, 1);
    expect(stage.sendOn(accepted.connection.path, message(9), 0)).toBe("sent");
    stage.send(1, message(2), 2);
    stage.flush();
    expect([accepted.messages, dialled.messages]).toEqual([["9"], ["1", "2"]]);
    expect(stage.connections.stats).toMatchObject({ accepted: { used: 1 }, dialled: { used: 1 } });
  });

  it("that is refused fails what waits for it with unreachable, replies too", () => {
    const stage = new ConnectionStage();
    stage.send(1, message(1), 5);
    stage.send(1, message(2), 0);
    const [socket] = stage.dials as [PlayedSocket];
    stage.connections.closed(stage.nowMs, socket.connection, "unreachable");
    expect(stage.told).toEqual([
      "deferred 5",
      "failed tcp://10.0.0.1:4100 5 unreachable",
      "failed tcp://10.0.0.1:4100 0 unreachable",
    ]);
    expect(stage.connections.stats).toMatchObject({
      closed: { unreachable: 1 },
      lostReplies: 1,
      queuedBytes: { used: 0 },
      dialled: { used: 0 },
    });
  });

  it("that is not answered in time is given up, and its socket destroyed", () => {
    const stage = new ConnectionStage({ connectTimeoutMs: 5 * second });
    stage.send(1, message(1), 5);
    stage.pass(5 * second);
    expect(stage.dials[0]?.calls).toEqual(["destroy timedOut"]);
    expect(stage.told.at(-1)).toBe("failed tcp://10.0.0.1:4100 5 unreachable");
    expect(stage.connections.nextDeadlineMs).toBeUndefined();
  });

  it("that cannot even be begun is unreachable", () => {
    const stage = new ConnectionStage();
    stage.dialFails = true;
    expect(stage.send(1, message(1))).toBe("unreachable");
    expect(stage.connections.stats.closed.unreachable).toBe(1);
  });

  it("that fails for want of something of our own is no fault of the peer's, and may be tried again at once", () => {
    const stage = new ConnectionStage();
    stage.send(1, message(1), 5);
    stage.connections.closed(stage.nowMs, (stage.dials[0] as PlayedSocket).connection, "noResources");
    expect(stage.told.at(-1)).toBe("failed tcp://10.0.0.1:4100 5 queueFull");
    expect(stage.send(1, message(1), 6)).toBe("queued");
  });

  it("that succeeds after it was given up changes nothing", () => {
    const stage = new ConnectionStage();
    stage.send(1, message(1), 5);
    stage.pass(5 * second);
    const { connection } = stage.dials[0] as PlayedSocket;
    const told = stage.told.length;
    stage.connections.opened(stage.nowMs, connection);
    stage.connections.received(connection, message(1));
    stage.connections.heard(stage.nowMs, connection, 1, undefined);
    stage.connections.drained(stage.nowMs, connection);
    stage.connections.closed(stage.nowMs, connection, "remote");
    expect(stage.told).toHaveLength(told);
    expect(connection.isOpen).toBe(false);
  });
});

describe("a connection that a layer above ends", () => {
  it.each([
    ["dialled", (stage: ConnectionStage) => stage.open(1)],
    ["accepted", (stage: ConnectionStage) => stage.accept("tcp://10.0.0.1:50000") as PlayedSocket],
  ])("(%s) lets leave what was sent, and a last word, and nobody is told that it is gone", (_how, begin) => {
    const stage = new ConnectionStage();
    const socket = begin(stage);
    const { path } = socket.connection;
    const told = stage.told.length;
    stage.sendOn(path, message(1), 0);
    expect(stage.sendLast(path, message(2))).toBe("sent");
    expect(socket.messages).toEqual(["1", "2"]);
    expect(socket.calls.at(-1)).toBe("end ended");
    stage.connections.received(socket.connection, message(9));
    stage.connections.closed(stage.nowMs, socket.connection, "remote");
    expect(stage.told).toHaveLength(told);
    expect(stage.connections.stats).toMatchObject({
      closed: { ended: 1 },
      accepted: { used: 0 },
      dialled: { used: 0 },
      queuedBytes: { used: 0 },
    });
  });

  it("without a last word sends nothing, and what is not there is ended already", () => {
    const stage = new ConnectionStage();
    const { connection, messages } = stage.open(1);
    expect(stage.sendLast(connection.path, new Uint8Array(0))).toBe("sent");
    expect(stage.sendLast(connection.path, new Uint8Array(0))).toBe("sent");
    expect(messages).toEqual([]);
    expect(stage.connections.stats.closed.ended).toBe(1);
  });

  it("while it is dialled gives the dial up, which is no fault of the peer's", () => {
    const stage = new ConnectionStage();
    stage.send(1, message(1), 0);
    const [socket] = stage.dials as [PlayedSocket];
    stage.sendLast(socket.connection.path, new Uint8Array(0));
    expect(socket.calls).toEqual(["destroy ended"]);
    expect(stage.told).toEqual([]);
    expect(stage.send(1, message(2), 0)).toBe("queued");
    expect(stage.dials).toHaveLength(2);
  });

  it("makes room for what the same address is dialled for next", () => {
    const stage = new ConnectionStage();
    const { connection } = stage.open(1);
    stage.sendLast(connection.path, message(3));
    expect(stage.send(1, message(4), 7)).toBe("queued");
    const next = stage.dials.at(-1) as PlayedSocket;
    stage.connections.opened(stage.nowMs, next.connection);
    expect(next.messages).toEqual(["4"]);
    expect(stage.told).toEqual(["deferred 7", "sent 7"]);
  });
});

describe("an address whose dial has failed", () => {
  function fail(stage: ConnectionStage): void {
    const { connection } = stage.dials.at(-1) as PlayedSocket;
    stage.connections.closed(stage.nowMs, connection, "unreachable");
  }

  it("is left alone for a while, twice as long each time, up to a limit", () => {
    const stage = new ConnectionStage({ backOffMinMs: 1_000, backOffMaxMs: 3_000 });
    for (const pauseMs of [1_000, 2_000, 3_000, 3_000]) {
      expect(stage.send(1, message(1))).toBe("queued");
      fail(stage);
      stage.pass(pauseMs - 1);
      expect(stage.send(1, message(1))).toBe("unreachable");
      stage.pass(1);
    }
    expect(stage.connections.stats).toMatchObject({ backedOff: 4, backOffs: { used: 1 } });
  });

  it("is dialled as if nothing had been, once it was reached", () => {
    const stage = new ConnectionStage({ backOffMinMs: 1_000 });
    for (let i = 0; i < 3; i++) {
      stage.send(1, message(1));
      fail(stage);
      stage.pass(10 * second);
    }
    const socket = stage.open(1);
    expect(stage.connections.stats.backOffs.used).toBe(0);
    stage.connections.closed(stage.nowMs, socket.connection, "reset");
    stage.send(1, message(1));
    fail(stage);
    stage.pass(1_000);
    expect(stage.send(1, message(1))).toBe("queued");
  });

  it("that failed long ago is not held to it", () => {
    const stage = new ConnectionStage({ backOffMinMs: 1_000, backOffMaxMs: 4_000 });
    for (let i = 0; i < 3; i++) {
      stage.send(1, message(1));
      fail(stage);
      stage.pass(minute);
    }
    stage.send(1, message(1));
    fail(stage);
    stage.pass(1_000);
    expect(stage.send(1, message(1))).toBe("queued");
  });

  it("is remembered with so many others only, and the oldest is forgotten", () => {
    const stage = new ConnectionStage({ maxBackOffs: 2 });
    for (const host of [1, 2, 3]) {
      stage.send(host, message(1));
      fail(stage);
    }
    expect([1, 2, 3].map((host) => stage.send(host, message(1)))).toEqual([
      "queued",
      "unreachable",
      "unreachable",
    ]);
  });
});

describe("a connection", () => {
  it("joins what is sent in one pump: one flush, in order", () => {
    const stage = new ConnectionStage();
    const [a, b] = [stage.open(1), stage.open(2)];
    for (const number of [1, 2, 3]) {
      expect(stage.send(1, message(number))).toBe("sent");
      stage.send(2, message(10 + number));
    }
    expect(a.calls).toEqual([]);
    stage.flush();
    stage.flush();
    expect([a.calls, a.messages, b.messages]).toEqual([["flush 3"], ["1", "2", "3"], ["11", "12", "13"]]);
  });

  it("gathers 64 KiB, with all others, and lets them leave before the pump is over", () => {
    const stage = new ConnectionStage();
    const [a, b] = [stage.open(1), stage.open(2)];
    for (let sent = 0; sent < 65_000; sent += 1_000) stage.send(1, message(1, 1_000));
    stage.send(2, message(2, 535));
    expect([a.calls, b.calls]).toEqual([[], []]);
    stage.send(2, message(3));
    expect([a.calls, b.calls]).toEqual([["flush 65"], ["flush 2"]]);
    stage.send(1, message(4, 99));
    expect(a.calls).toEqual(["flush 65"]);
    stage.flush();
    expect([a.calls, a.messages.at(-1)]).toEqual([["flush 65", "flush 1"], "4×99"]);
    expect(stage.connections.stats.queuedBytes.used).toBe(0);
  });

  it("that others have opened is answered, and never dialled", () => {
    const stage = new ConnectionStage();
    const socket = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
    stage.hear(socket, 1);
    expect(stage.told).toEqual(["message tcp://10.0.0.1:50000 accepted 0"]);
    stage.sendOn(socket.connection.path, message(5), 0);
    stage.flush();
    expect(socket.messages).toEqual(["5"]);
    stage.connections.closed(stage.nowMs, socket.connection, "remote");
    expect(stage.sendOn(socket.connection.path, message(5), 3)).toBe("queued");
    expect(stage.told.slice(1)).toEqual([
      "failed tcp://10.0.0.1:50000 path closed",
      "failed tcp://10.0.0.1:50000 3 closed",
    ]);
    expect(stage.dials).toEqual([]);
  });

  it("that is gone fails the path once, and the next message dials anew", () => {
    const stage = new ConnectionStage();
    const socket = stage.open(1);
    stage.connections.closed(stage.nowMs, socket.connection, "reset");
    stage.connections.closed(stage.nowMs, socket.connection, "reset");
    expect(stage.told).toEqual(["failed tcp://10.0.0.1:4100 path closed"]);
    expect(stage.send(1, message(1))).toBe("queued");
    expect(stage.dials).toHaveLength(2);
  });

  it.each([0, 1_001])("carries no message of %i bytes", (length) => {
    const stage = new ConnectionStage();
    stage.open(1);
    expect(stage.send(1, message(1, length), 8)).toBe("queued");
    expect(stage.told).toEqual(["failed tcp://10.0.0.1:4100 8 tooLarge"]);
  });
});

describe("a slow reader", () => {
  const limits = { maxQueuedBytes: 100, stallTimeoutMs: 30 * second };

  it("fills its own queue, is refused what is over it, and nobody else notices", () => {
    const stage = new ConnectionStage(limits);
    const slow = stage.open(1);
    slow.isStuck = true;
    const other = stage.open(2);
    const outcomes = [1, 2, 3].map((number) => {
      stage.send(2, message(number));
      const outcome = stage.send(1, message(number, 40), number);
      stage.flush();
      return outcome;
    });
    expect(outcomes).toEqual(["sent", "sent", "queued"]);
    expect(stage.told).toEqual(["failed tcp://10.0.0.1:4100 3 queueFull"]);
    expect(other.messages).toEqual(["1", "2", "3"]);
    expect(stage.connections.stats).toMatchObject({ queueFull: 1, queuedBytes: { used: 80 } });
  });

  it("that reads on has room again", () => {
    const stage = new ConnectionStage(limits);
    const slow = stage.open(1);
    slow.isStuck = true;
    stage.send(1, message(1, 90));
    stage.flush();
    slow.take(60);
    stage.connections.drained(stage.nowMs, slow.connection);
    expect(stage.connections.stats.queuedBytes.used).toBe(30);
    expect(stage.send(1, message(2, 60))).toBe("sent");
  });

  it("is closed when it has taken nothing for long, and not while it takes a little", () => {
    const stage = new ConnectionStage(limits);
    const slow = stage.open(1);
    slow.isStuck = true;
    stage.send(1, message(1, 90));
    stage.flush();
    for (let i = 0; i < 4; i++) {
      stage.pass(20 * second);
      slow.take(1);
      stage.connections.drained(stage.nowMs, slow.connection);
    }
    expect(slow.calls).not.toContain("destroy stalled");
    stage.pass(30 * second);
    expect(slow.calls.at(-1)).toBe("destroy stalled");
    expect(stage.told).toEqual(["failed tcp://10.0.0.1:4100 path closed"]);
    expect(stage.connections.stats).toMatchObject({ closed: { stalled: 1 }, queuedBytes: { used: 0 } });
  });

  it("whose system tells nothing is looked at by a deadline", () => {
    const stage = new ConnectionStage({ maxQueuedBytesInAll: 100 }, { drainCheckMs: 50 });
    const slow = stage.open(1);
    slow.isStuck = true;
    stage.send(1, message(1, 90));
    stage.flush();
    stage.open(2);
    expect(stage.send(2, message(1, 50))).toBe("full");
    slow.take(90);
    stage.pass(50);
    expect(stage.told).toEqual(["flow tcp4 true"]);
    expect(stage.connections.stats.queuedBytes.used).toBe(0);
  });

  it("may be sent one message over its limit, where nothing waits for it", () => {
    const stage = new ConnectionStage({ maxQueuedBytes: 10 });
    const socket = stage.open(1);
    expect(stage.send(1, message(1, 500))).toBe("sent");
    expect(stage.send(1, message(2, 500))).toBe("sent"); // the first has left meanwhile
    socket.isStuck = true;
    stage.flush();
    expect(stage.send(1, message(3, 500))).toBe("queued");
    expect(socket.messages).toEqual(["1×500", "2×500"]);
  });
});

describe("what waits for all connections together", () => {
  it("closes the kind of address when it is too much, and opens it again at half", () => {
    const stage = new ConnectionStage({ maxQueuedBytesInAll: 100 });
    const sockets = [1, 2, 3].map((host) => stage.open(host)) as [PlayedSocket, PlayedSocket, PlayedSocket];
    for (const socket of sockets) socket.isStuck = true;
    expect([1, 2, 3].map((host) => stage.send(host, message(1, 45)))).toEqual(["sent", "sent", "full"]);
    stage.flush();
    sockets[0].take(30);
    stage.connections.drained(stage.nowMs, sockets[0].connection);
    expect(stage.told).toEqual([]);
    sockets[0].take(15);
    stage.connections.drained(stage.nowMs, sockets[0].connection);
    expect(stage.told).toEqual(["flow tcp4 true"]);
  });

  it("is no matter for those who read: who has taken nothing for a second gives way", () => {
    const stage = new ConnectionStage({ maxQueuedBytesInAll: 100 });
    const [slow, other] = [stage.open(1), stage.open(2)];
    slow.isStuck = true;
    stage.send(1, message(1, 90));
    stage.flush();
    stage.pass(999);
    expect(stage.send(2, message(1, 20))).toBe("full");
    stage.pass(1);
    expect(stage.send(2, message(1, 20))).toBe("sent");
    stage.flush();
    expect([slow.calls.at(-1), other.messages]).toEqual(["destroy stalled", ["1×20"]]);
  });

  it("counts messages that wait for a dial", () => {
    const stage = new ConnectionStage({ maxQueuedBytesInAll: 100, maxQueuedBytes: 50 });
    expect([stage.send(1, message(1, 40)), stage.send(1, message(2, 40), 2)]).toEqual(["queued", "queued"]);
    expect(stage.told).toEqual(["deferred 1", "failed tcp://10.0.0.1:4100 2 queueFull"]);
    stage.send(2, message(1, 40));
    expect(stage.send(3, message(1, 40))).toBe("full");
  });
});

describe("a message that comes in pieces", () => {
  const limits = { messageTimeoutMs: 30 * second, maxPartialBytes: 1_000 };

  it("must be whole within its time, however often a piece comes", () => {
    const stage = new ConnectionStage(limits);
    const socket = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
    for (let i = 1; i <= 29; i++) {
      stage.hear(socket, 0, i);
      stage.pass(second);
    }
    expect(socket.calls).toEqual([]);
    stage.pass(second);
    expect(socket.calls).toEqual(["destroy slow"]);
    expect(stage.connections.stats).toMatchObject({ closed: { slow: 1 }, partialBytes: { used: 0 } });
  });

  it("has its own time, whatever the one before has taken", () => {
    const stage = new ConnectionStage(limits);
    const socket = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
    for (let i = 0; i < 10; i++) {
      stage.hear(socket, 0, 5);
      stage.pass(20 * second);
      stage.hear(socket, 1, 5);
    }
    expect(socket.connection.isOpen).toBe(true);
    stage.hear(socket, 1);
    expect(stage.connections.stats.partialBytes.used).toBe(0);
  });

  it("takes memory from all: the one begun first gives way", () => {
    const stage = new ConnectionStage(limits);
    const sockets = [1, 2, 3].map((host) => stage.accept(`tcp://10.0.0.${host}:50000`)) as PlayedSocket[];
    for (const socket of sockets) stage.hear(socket, 0, 300);
    stage.hear(sockets[0] as PlayedSocket, 1, 100); // another message: it is the youngest now
    stage.hear(sockets[2] as PlayedSocket, 0, 700);
    expect(sockets.map(({ calls }) => calls)).toEqual([[], ["destroy slow"], []]);
    expect(stage.connections.stats.partialBytes).toEqual({ used: 800, limit: 1_000 });
  });

  it("that was no message but half a header of a keep-alive leaves nothing behind", () => {
    const stage = new ConnectionStage(limits);
    const socket = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
    stage.hear(socket, 0, 0);
    stage.hear(socket, 0);
    stage.pass(minute);
    expect(socket.connection.isOpen).toBe(true);
  });
});

describe("a connection that nobody uses", () => {
  it("is closed after its time; whoever has opened it closes first", () => {
    const stage = new ConnectionStage({ idleTimeoutMs: 5 * minute });
    const dialled = stage.open(1);
    const accepted = stage.accept("tcp://10.0.0.2:50000") as PlayedSocket;
    stage.pass(5 * minute);
    expect(dialled.calls.at(-1)).toBe("end idle");
    expect(accepted.connection.isOpen).toBe(true);
    stage.pass(minute);
    expect(accepted.calls.at(-1)).toBe("end idle");
    expect(stage.told.at(-1)).toBe("failed tcp://10.0.0.2:50000 path closed");
  });

  it("lives on with each message, and keep-alives are none", () => {
    const stage = new ConnectionStage({ idleTimeoutMs: 5 * minute });
    const [sends, hears, silent] = [stage.open(1), stage.open(2), stage.open(3)];
    for (let i = 0; i < 10; i++) {
      stage.pass(minute);
      stage.send(1, message(1));
      stage.flush();
      stage.hear(hears, 1);
      stage.hear(silent, 0);
    }
    expect([sends, hears, silent].map(({ connection }) => connection.isOpen)).toEqual([true, true, false]);
  });

  it("is asked for a sign of life, once in its time", () => {
    const stage = new ConnectionStage({ idleTimeoutMs: 10 * minute, keepAliveMs: 30 * second });
    const socket = stage.open(1);
    stage.pass(90 * second);
    expect(socket.calls).toEqual(["keepAlive", "keepAlive", "keepAlive"]);
    stage.hear(socket, 0);
    stage.pass(29 * second);
    expect(socket.calls).toHaveLength(3);
  });

  it("and that gives no sign of life, though it would, is dead", () => {
    const stage = new ConnectionStage({ idleTimeoutMs: 10 * minute, keepAliveMs: 30 * second });
    const socket = stage.open(1);
    socket.isAnswered = true;
    stage.pass(89 * second);
    expect(socket.connection.isOpen).toBe(true);
    stage.pass(second);
    expect(socket.calls.at(-1)).toBe("destroy silent");
  });
});

describe("the number of connections", () => {
  it("that others open is limited, for each host and in all; loopback has no host", () => {
    const stage = new ConnectionStage({ maxAccepted: 4, maxAcceptedPerHost: 2 });
    const open = (address: string) => stage.accept(address) !== undefined;
    expect([1, 2, 3].map((port) => open(`tcp://10.0.0.1:${port}`))).toEqual([true, true, false]);
    expect([1, 2, 3].map((port) => open(`tcp://127.0.0.1:${port}`))).toEqual([true, true, false]);
    expect(stage.connections.stats).toMatchObject({
      accepted: { used: 4, limit: 4 },
      refused: { hostFull: 1, full: 1 },
      opened: { accepted: 4 },
    });
  });

  it("of a host has room again when one has closed", () => {
    const stage = new ConnectionStage({ maxAcceptedPerHost: 1 });
    for (let i = 0; i < 3; i++) {
      const socket = stage.accept("tcp://10.0.0.1:50000") as PlayedSocket;
      expect(stage.accept("tcp://10.0.0.1:50001")).toBeUndefined();
      stage.connections.closed(stage.nowMs, socket.connection, "remote");
    }
  });

  it("with the same address at the other end is one", () => {
    const stage = new ConnectionStage();
    stage.accept("tcp://10.0.0.1:50000");
    expect(stage.accept("tcp://10.0.0.1:50000")).toBeUndefined();
    expect(stage.connections.stats.refused.duplicate).toBe(1);
  });

  it("that a transport turns away by itself is counted with the others", () => {
    const stage = new ConnectionStage();
    stage.connections.refused("handshake");
    stage.connections.refused("noResources");
    expect(stage.connections.stats.refused).toMatchObject({ handshake: 1, noResources: 1 });
  });

  it("that we open is limited: the one unused for longest makes room", () => {
    const stage = new ConnectionStage({ maxDialled: 2 });
    const [first, second_] = [stage.open(1), stage.open(2)];
    stage.pass(second);
    stage.send(1, message(1));
    stage.flush();
    expect(stage.send(3, message(1))).toBe("queued");
    expect([first.connection.isOpen, second_.calls.at(-1)]).toEqual([true, "end evicted"]);
  });

  it("that we open, all of them in use, closes the kind of address until one is free", () => {
    const stage = new ConnectionStage({ maxDialled: 2 });
    const [first] = [stage.open(1)];
    first.isStuck = true;
    stage.send(1, message(1));
    stage.flush();
    stage.send(2, message(2));
    expect(stage.send(3, message(3))).toBe("full");
    const dialling = stage.dials.at(-1) as PlayedSocket;
    stage.connections.opened(stage.nowMs, dialling.connection);
    stage.flush();
    expect(stage.told.at(-1)).toBe("flow tcp4 true");
    expect(stage.send(3, message(3))).toBe("queued");
    expect(dialling.calls.at(-1)).toBe("end evicted");
  });
});

describe("closing", () => {
  it("lets leave what was sent, gives up dials, and is over when the last connection is gone", () => {
    const stage = new ConnectionStage();
    const dialled = stage.open(1);
    const accepted = stage.accept("tcp://10.0.0.2:50000") as PlayedSocket;
    stage.send(3, message(1), 3);
    stage.send(1, message(5));
    stage.told.length = 0;
    let isOver = false;
    stage.connections.close(stage.nowMs, () => {
      isOver = true;
    });
    expect(dialled.messages).toEqual(["5"]);
    expect([dialled, accepted, stage.dials[1] as PlayedSocket].map(({ calls }) => calls.at(-1))).toEqual([
      "end shutdown",
      "end shutdown",
      "destroy shutdown",
    ]);
    stage.hear(accepted, 1);
    stage.connections.closed(stage.nowMs, accepted.connection, "shutdown");
    expect(isOver).toBe(false);
    stage.connections.closed(stage.nowMs, dialled.connection, "shutdown");
    expect(isOver).toBe(true);
    expect(stage.told).toEqual([]);
    expect(stage.send(1, message(1))).toBe("unreachable");
    expect(stage.accept("tcp://10.0.0.3:1")).toBeUndefined();
    expect(stage.connections.nextDeadlineMs).toBeUndefined();
  });

  it("waits for nobody who does not read", () => {
    const stage = new ConnectionStage({ closeTimeoutMs: 500 });
    const socket = stage.open(1);
    let isOver = false;
    stage.connections.close(stage.nowMs, () => {
      isOver = true;
    });
    stage.pass(499);
    expect(isOver).toBe(false);
    stage.pass(1);
    expect([isOver, socket.calls.at(-1)]).toEqual([true, "destroy shutdown"]);
  });

  it("with nothing open is over at once", () => {
    let isOver = false;
    new ConnectionStage().connections.close(0, () => {
      isOver = true;
    });
    expect(isOver).toBe(true);
  });
});

/** Whatever happens in whatever order: sums stay true, and nothing is left at the end. */
it("any sequence of events leaves no message unaccounted for, and nothing behind at the end", () => {
  const step = fc.record({
    what: fc.nat({ max: 8 }),
    which: fc.nat({ max: 4 }),
    size: fc.integer({ min: 1, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const stage = new ConnectionStage({
        maxQueuedBytes: 400,
        maxQueuedBytesInAll: 1_000,
        maxPartialBytes: 500,
        maxDialled: 3,
        maxAccepted: 3,
      });
      const sockets: PlayedSocket[] = [];
      let tag = 0;
      let port = 1;
      const settled = new Set<number>();
      const asked = new Set<number>();
      for (const { what, which, size } of steps) {
        const socket = [...stage.dials, ...sockets].at(which - 2);
        if (what === 0 || what === 1) {
          if (stage.send(which, message(1, size), ++tag) === "queued") asked.add(tag);
        } else if (what === 2) stage.flush();
        else if (what === 3) stage.pass(size * 100);
        else if (what === 4) {
          const accepted = stage.accept(`tcp://10.0.1.${which}:${port++}`);
          if (accepted !== undefined) sockets.push(accepted);
        } else if (socket === undefined) continue;
        else if (what === 5) stage.connections.opened(stage.nowMs, socket.connection);
        else if (what === 6) stage.hear(socket, size % 2, size % 3 === 0 ? undefined : size);
        else if (what === 7) {
          socket.isStuck = size % 2 === 0;
          socket.take(size);
          stage.connections.drained(stage.nowMs, socket.connection);
        } else stage.connections.closed(stage.nowMs, socket.connection, "reset");
        const { queuedBytes, partialBytes, dialled, accepted } = stage.connections.stats;
        const open = [...stage.dials, ...sockets].filter(({ connection }) => connection.isOpen);
        expect(partialBytes.used).toBeLessThanOrEqual(500);
        expect(partialBytes.used).toBe(
          open.reduce((sum, { connection }) => sum + connection.partialBytes, 0),
        );
        expect(queuedBytes.used).toBeLessThanOrEqual(1_000);
        expect(queuedBytes.used).toBeGreaterThanOrEqual(0);
        expect(dialled.used).toBeLessThanOrEqual(3);
        expect(accepted.used).toBeLessThanOrEqual(3);
      }
      stage.pass(60 * minute);
      for (const line of stage.told) {
        const [, sent] = /^sent (\d+)$/.exec(line) ?? [];
        const [, failed] = /^failed \S+ (\d+) /.exec(line) ?? [];
        const number = Number(sent ?? failed);
        if (Number.isNaN(number)) continue;
        expect(settled.has(number)).toBe(false);
        settled.add(number);
      }
      expect([...asked].filter((number) => !settled.has(number))).toEqual([]);
      for (const { connection } of [...stage.dials, ...sockets])
        stage.connections.closed(stage.nowMs, connection, "reset");
      expect(stage.connections.nextDeadlineMs).toBeUndefined();
      expect(stage.connections.stats).toMatchObject({
        queuedBytes: { used: 0 },
        partialBytes: { used: 0 },
        dialled: { used: 0 },
        accepted: { used: 0 },
      });
    }),
    { numRuns: 300 },
  );
});
