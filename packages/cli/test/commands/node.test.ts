import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultListen } from "../../src/server.ts";
import { begin, run } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

let network: TestNetwork;

beforeEach(async () => {
  network = await openNetwork(2);
});

afterEach(async () => {
  await network.close();
});

describe("kad node", () => {
  it("says first where it listens, then that it has joined and whom it met, and ends by a signal", async () => {
    const argv = ["node", "--listen", "udp://127.0.0.1:0", "--bootstrap", network.url, "--json"];
    const { io, code } = begin(argv);
    await io.until(/"event":"joined"/);
    io.abort();
    expect(await code).toBe(0);
    const [listening, ...others] = io.events;
    expect(listening).toEqual({
      event: "listening",
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      publicKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      addresses: [expect.stringMatching(/^udp:\/\/127\.0\.0\.1:[1-9]\d*$/)],
    });
    expect(io.out.startsWith('{"event":"listening","id":"')).toBe(true);
    const contacts = network.nodes.length;
    expect(io.eventsOf("joined")).toEqual([
      {
        event: "joined",
        contacts,
        requests: expect.any(Number),
        rounds: expect.any(Number),
        hops: expect.any(Number),
        durationMs: expect.any(Number),
      },
    ]);
    const peers = io.eventsOf("peer").map(({ id, addresses }) => [id, addresses]);
    expect(new Map(peers as [string, string[]][])).toEqual(
      new Map(network.nodes.map((node) => [node.id.toHex(), node.addresses])),
    );
    expect(others.at(-1)).toEqual({ event: "stopped" });
  });

  it("is a server that others can find", async () => {
    const { io, code } = begin(["node", "--bootstrap", network.url, "--json"]);
    await io.until(/"event":"joined"/);
    const [{ id, addresses } = {}] = io.events;
    const [node] = network.nodes;
    const pong = await node?.ping(addresses?.[0] as string);
    expect(pong?.contact?.id.toHex()).toBe(id);
    io.abort();
    await code;
  });

  it("listens at URLs of several schemes, and clients reach it at each of them", async () => {
    const schemes = ["udp", "tcp", "ws"];
    const argv = schemes.flatMap((scheme) => ["--listen", `${scheme}://127.0.0.1:0`]);
    const { io, code } = begin(["node", ...argv, "--json"]);
    await io.until(/"event":"listening"/);
    const [{ id, addresses = [] } = {}] = io.events;
    expect(addresses.map((url) => url.split(":")[0])).toEqual(schemes);
    for (const url of addresses) {
      const pong = await run(["ping", url, "--json"]);
      expect(pong.events).toMatchObject([{ event: "pong", id, address: url }]);
      expect((await run(["put", "--text", url, "--bootstrap", url])).code).toBe(0);
    }
    const other = begin(["node", "--bootstrap", addresses[2] as string, "--json"]);
    await other.io.until(/"event":"joined"/);
    expect(other.io.events[0]?.addresses).toEqual([expect.stringMatching(/^ws:\/\/127\.0\.0\.1:/)]);
    for (const { io: one } of [other, { io }]) one.abort();
    expect([await other.code, await code]).toEqual([0, 0]);
  });

  it("tells others the public URL of a proxy, and refuses one where nobody listens", async () => {
    const announce = ["--announce", "wss://worker-7.example/kad"];
    const { io, code } = begin(["node", "--listen", "ws://127.0.0.1:0/kad", ...announce, "--json"]);
    await io.until(/"event":"listening"/);
    expect(io.events[0]?.addresses).toEqual(["wss://worker-7.example/kad"]);
    io.abort();
    expect(await code).toBe(0);
    const refused = await run(["node", "--listen", "tcp://127.0.0.1:0", ...announce]);
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringContaining("--announce wss://worker-7.example/kad: no --listen of that kind"),
    ]);
  });

  it("keeps as many records as it is told to", async () => {
    const { io, code } = begin(["node", "--json", "--max-records", "2"]);
    await io.until(/"event":"listening"/);
    const [url = ""] = io.events[0]?.addresses ?? [];
    const put = async (text: string): Promise<[number, string]> => {
      const { code: ended, err } = await run(["put", "--text", text, "--bootstrap", url]);
      return [ended, err];
    };
    expect(await put("one")).toEqual([0, ""]);
    expect(await put("two")).toEqual([0, ""]);
    expect(await put("three")).toEqual([
      1,
      "kad: the record is not stored: 0 of 1 holders took it, 1 full\n",
    ]);
    io.abort();
    expect(await code).toBe(0);
  });

  it("tells people the same in lines", async () => {
    const { io, code } = begin(["node", "--bootstrap", network.url]);
    await io.until(/^joined/m);
    io.abort();
    expect(await code).toBe(0);
    const [listening, id, join, ...others] = io.out.split("\n");
    const address = /^listening {2}(udp:\/\/127\.0\.0\.1:\d+)$/.exec(listening as string)?.[1];
    expect(id).toMatch(/^id {9}[0-9a-f]{64}$/);
    expect(join).toBe(`to join it  npx kad node --bootstrap ${address}`);
    expect(others).toContainEqual(expect.stringMatching(/^joined {5}2 nodes answered: \d+ requests, /));
    expect(others).toContainEqual(expect.stringMatching(/^met {8}[0-9a-f]{8}… at udp:.* 2 so far$/));
    expect(others.slice(-2)).toEqual(["stopped", ""]);
  });

  it("tells of those that join later, and counts those that it does not name", async () => {
    const { io, code } = begin(["node"]);
    const [, address = ""] = await io.until(/^listening {2}(\S+)$/m);
    for (const node of [...network.nodes, await network.add(), await network.add()]) {
      await node.bootstrap([address]);
    }
    const [, more] = await io.until(/^met .*? and (\d+) more; 4 so far$|^met .* 4 so far$/m);
    if (more !== undefined) expect(more).toBe("1");
    io.abort();
    await code;
  });

  it("ends when standard input does, where it was told so", async () => {
    let close = (): void => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    async function* open(): AsyncGenerator<string> {
      yield "what it says does not matter\n";
      await closed;
    }
    const { io, code } = begin(["node", "--exit-with-stdin", "--json"], { stdin: open() });
    await io.until(/"event":"listening"/);
    close();
    expect(await code).toBe(0);
    expect(io.events.map(({ event }) => event)).toEqual(["listening", "stopped"]);
  });

  it("ends as well when standard input breaks", async () => {
    const next = (): Promise<never> => Promise.reject(new Error("the pipe broke"));
    const broken = { [Symbol.asyncIterator]: () => ({ next }) };
    expect((await run(["node", "--exit-with-stdin"], { stdin: broken })).code).toBe(0);
  });

  it("ends in order when the signal comes while it joins", async () => {
    const { io, code } = begin(["node", "--bootstrap", await network.silentUrl(), "--json"]);
    await io.until(/"event":"listening"/);
    io.abort();
    expect(await code).toBe(0);
    expect(io.events.at(-1)).toEqual({ event: "stopped" });
  });

  it("does nothing when the signal comes before it listens", async () => {
    const { io, code } = begin(["node", "--json"]);
    io.abort();
    expect(await code).toBe(0);
    expect(io.out).toBe("");
  });

  it("gives up when nobody answers, and says at which address", async () => {
    const url = await network.silentUrl();
    const io = await run(["node", "--bootstrap", url, "--timeout", "50ms", "--json"]);
    expect(io).toMatchObject({
      code: 4,
      err: `kad: no node answered at ${url}; is one running there, and in the same network (--network-key, --insecure)?\n`,
    });
    expect(io.events.map(({ event }) => event)).toEqual(["listening", "stopped"]);
  });

  it("gives up at once on a host that does not exist", async () => {
    const io = await run(["node", "--bootstrap", "udp://a..b:1"]);
    expect(io.code).toBe(4);
    expect(io.err).toMatch(/^kad: udp:\/\/a\.\.b:1: the host "a\.\.b" cannot be resolved/);
  });

  it("says of an address in use that it is, and what to do", async () => {
    const io = await run(["node", "--listen", network.url]);
    const message = `${network.url} is in use by another program; choose another port, or port 0 for any free one`;
    expect(io).toMatchObject({ code: 5, out: "", err: `kad: ${message}\n` });
  });

  it.each([
    [["--listen", "udp://127.0.0.1:99999"], /the port is over 65535$/],
    [["--listen", "quic://127.0.0.1:1"], /--listen: .*allowed are URLs that begin with udp/],
    [["--bootstrap", "udp://300.0.0.1:1"], /udp:\/\/300\.0\.0\.1:1/],
    [["--bootstrap", "udp://[::1]:1", "--listen", "udp://127.0.0.1:0"], /^--bootstrap: .*no socket for it/],
  ])("refuses %j as wrong usage", async (argv, message) => {
    const io = await run(["node", ...argv]);
    expect([io.code, io.out]).toEqual([2, ""]);
    expect(io.err.replace(/^kad: /, "").trimEnd()).toMatch(message);
  });
});

describe("kad node --record", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kad-record-"));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("writes down what a node does on real sockets, and it does the same again", async () => {
    const file = join(folder, "node.jsonl");
    const { io, code } = begin(["node", "--bootstrap", network.url, "--record", file, "--json"]);
    await io.until(/"event":"joined"/);
    const [{ addresses = [] } = {}, recording] = io.events;
    expect(recording).toEqual({
      event: "recording",
      file,
      warning: expect.stringContaining("in plain text"),
    });
    const [url = ""] = addresses;
    const text = "what is stored through it stands in the file";
    const put = await run(["put", "--text", text, "--bootstrap", url, "--json"]);
    expect((await run(["get", put.events[0]?.key as string, "--bootstrap", url])).out).toBe(text);
    expect((await run(["ping", url])).code).toBe(0);
    io.abort();
    expect(await code).toBe(0);
    const { mode } = await stat(file);
    expect(mode & 0o077).toBe(0);
    expect(await readFile(file, "utf8")).toContain(Buffer.from(text).toString("hex"));
    const replayed = await run(["sim", "--replay", file, "--json"]);
    expect([replayed.code, replayed.err]).toEqual([0, ""]);
    expect(replayed.events).toEqual([
      {
        event: "replayed",
        id: io.events[0]?.id,
        about: expect.stringMatching(/^kad \d+\.\d+\.\d+, Node /),
        calls: expect.any(Number),
        messagesIn: expect.any(Number),
        messagesOut: expect.any(Number),
        events: expect.any(Number),
        end: "ended",
      },
    ]);
    const { messagesIn, messagesOut } = replayed.events[0] as unknown as Record<string, number>;
    // Both others have been asked and have asked, and so have three clients.
    expect(messagesIn).toBeGreaterThan(7);
    expect(messagesOut).toBeGreaterThan(7);
  });

  it("tells people where the recording is, and what it holds", async () => {
    const file = join(folder, "node.jsonl");
    const { io, code } = begin(["node", "--record", file]);
    await io.until(/^recording {2}.*node\.jsonl\n {11}it holds in plain text all that this node hears/m);
    io.abort();
    expect(await code).toBe(0);
    expect((await run(["sim", "--replay", file])).out).toMatch(/: the same again, to its end\n/);
  });

  it("ends the file also where the node has not come to be", async () => {
    const file = join(folder, "node.jsonl");
    const taken = await run(["node", "--listen", network.url, "--record", file]);
    expect(taken.code).toBe(5);
    expect(await readFile(file, "utf8")).toMatch(/^(\{.*\}\n)*$/);
  });

  it.each([
    ["there already", "node.jsonl", "it is there already; it is to be a new file"],
    ["in a folder that does not exist", "no/node.jsonl", "there is no such folder"],
    ["below a file", "node.jsonl/x", "there is no such folder"],
  ])("refuses a file that is %s", async (_what, name, message) => {
    await writeFile(join(folder, "node.jsonl"), "mine");
    const file = join(folder, name);
    const { code, err, out } = await run(["node", "--record", file]);
    expect([code, out, err]).toEqual([2, "", `kad: --record ${file}: ${message}\n`]);
    expect(await readFile(join(folder, "node.jsonl"), "utf8")).toBe("mine");
  });
});

describe("where a node listens that was not told", () => {
  it.each([
    [[], ["udp://127.0.0.1:0"]],
    [["udp://127.0.0.1:4100"], ["udp://127.0.0.1:0"]],
    [["udp://127.1.2.3:1", "udp://localhost:2"], ["udp://127.0.0.1:0"]],
    [["udp://[::1]:1"], ["udp://[::1]:0"]],
    [
      ["udp://[::1]:1", "udp://127.0.0.1:1"],
      ["udp://127.0.0.1:0", "udp://[::1]:0"],
    ],
    [["udp://192.0.2.1:1"], ["udp://0.0.0.0:0"]],
    [["udp://[2001:db8::1]:1"], ["udp://[::]:0"]],
    [["udp://127.0.0.1:1", "udp://host.example:1"], ["udp://0.0.0.0:0"]],
    [["udp://127.0.0.1.example:1"], ["udp://0.0.0.0:0"]],
    [["tcp://127.0.0.1:1"], ["tcp://127.0.0.1:0"]],
    [["ws://localhost/kad"], ["ws://127.0.0.1:0"]],
    [["wss://seed.example/kad"], ["ws://0.0.0.0:0"]],
    [
      ["udp://192.0.2.1:1", "tcp://[2001:db8::1]:1"],
      ["udp://0.0.0.0:0", "tcp://[::]:0"],
    ],
  ])("with the bootstrap nodes %j it is %j", (seeds, listen) => {
    expect(defaultListen(seeds)).toEqual(listen);
  });
});
