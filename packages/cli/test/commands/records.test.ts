import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyOfName } from "@kad/dht";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/index.ts";
import type { Env } from "../../src/io.ts";
import { chunks, run, TestIo } from "../support/io.ts";
import { openNetwork, type TestNetwork } from "../support/network.ts";

let network: TestNetwork;
let folder: string;
let env: Env;

beforeAll(async () => {
  network = await openNetwork(4);
  folder = await mkdtemp(join(tmpdir(), "kad-records-"));
  env = { KAD_BOOTSTRAP: network.url };
});

afterAll(async () => {
  await network.close();
  await rm(folder, { recursive: true });
});

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const missing = "0".repeat(64);

describe("kad put and kad get", () => {
  it("store a value and give it back byte for byte, with the key alone on the last line", async () => {
    const put = await run(["put", "--text", "hello", "--bootstrap", network.url]);
    expect(put).toMatchObject({ code: 0, err: "" });
    expect(put.out).toMatch(/^[0-9a-f]{64}\n$/);
    const get = await run(["get", put.out.trim(), "--bootstrap", network.url]);
    expect(get).toMatchObject({ code: 0, out: "hello", err: "" });
  });

  it("take standard input as it comes, of any bytes", async () => {
    const bytes = Uint8Array.from({ length: 1_000 }, (_, index) => index % 256);
    const parts = [bytes.subarray(0, 1), bytes.subarray(1, 700), bytes.subarray(700)];
    const { out } = await run(["put", "-"], { env, stdin: chunks(...parts) });
    const get = await run(["get", out.trim()], { env });
    expect(get.bytes).toEqual(bytes);
    const empty = await run(["put", "-"], { env });
    expect((await run(["get", empty.out.trim()], { env })).bytes).toEqual(new Uint8Array(0));
  });

  it("take a file", async () => {
    const path = join(folder, "note.txt");
    await writeFile(path, "one\ntwo\n");
    const { out } = await run(["put", path], { env });
    expect((await run(["get", out.trim()], { env })).out).toBe("one\ntwo\n");
    await run(["set", "note", "--file", path], { env });
    expect((await run(["get", "--name", "note"], { env })).out).toBe("one\ntwo\n");
  });

  it("give programs a JSON object each, with text where there is any", async () => {
    const put = await run(["put", "--text", "häh", "--json"], { env });
    const [stored] = put.events;
    expect(stored).toMatchObject({ event: "stored", kind: "record", bytes: 4, accepted: 4, asked: 4 });
    expect(stored).toMatchObject({ requests: expect.any(Number), durationMs: expect.any(Number) });
    const get = await run(["get", String(stored?.key), "--json"], { env });
    expect(get.events).toEqual([
      expect.objectContaining({
        event: "value",
        key: stored?.key,
        bytes: 4,
        text: "häh",
        base64: "aMOkaA==",
      }),
    ]);
    const binary = await run(["put", "-", "--json"], { env, stdin: chunks(Uint8Array.of(0xff, 0)) });
    const { events } = await run(["get", String(binary.events[0]?.key), "--json"], { env });
    expect(events[0]).toMatchObject({ bytes: 2, base64: "/wA=" });
    expect(events[0]).not.toHaveProperty("text");
  });

  it("show on a terminal what they do, and give the value a line of its own there", async () => {
    const put = await run(["put", "--text", "seen"], { env, isErrorTTY: true });
    expect(put.err).toMatch(/joining …/);
    expect(put.err).toMatch(/stored on 4 of 4 holders: \d+ requests/);
    const key = put.out.trim();
    const get = await run(["get", key], { env, isErrorTTY: true, isTTY: true });
    expect(get.err).toMatch(/found: \d+ requests?/);
    expect(get.out).toBe("seen\n");
    const line = await run(["put", "--text", "seen\n"], { env });
    expect((await run(["get", line.out.trim()], { env, isTTY: true })).out).toBe("seen\n");
  });

  it("say when nobody has the record", async () => {
    expect(await run(["get", missing], { env })).toMatchObject({
      code: 3,
      out: "",
      err: `kad: nobody has ${missing}\n`,
    });
    expect(await run(["get", "--name", "none"], { env })).toMatchObject({
      code: 3,
      err: "kad: nobody has none\n",
    });
  });

  it.each([
    [["get"], "give either KEY or --name NAME"],
    [["get", missing, "--name", "x"], "give either KEY or --name NAME"],
    [["get", "12"], 'key: "12"; allowed are 64 hexadecimal digits'],
    [["put"], "give one of FILE, - for standard input, and --text TEXT"],
    [["put", "a", "--text", "b"], "give one of FILE, - for standard input, and --text TEXT"],
    [["put", "hello"], "hello: there is no such file; a text itself goes in with --text"],
    [["put", "/"], "/: this is a folder, not a file"],
    [["set", "n"], "give one value: on the command line, as - for standard input, or with --file PATH"],
    [
      ["set", "n", "a", "--file", "b"],
      "give one value: on the command line, as - for standard input, or with --file PATH",
    ],
    [["set", "n", "é".repeat(449)], "the value has more than 896 bytes, which is all that a record holds"],
    [["set", "n", "--file", "/no/such/file"], "/no/such/file: there is no such file"],
    [["set", "n", "--file", "/"], "/: this is a folder, not a file"],
  ])("refuse %j before they ask anybody", async (argv, message) => {
    expect(await run(argv)).toMatchObject({ code: 2, out: "", err: `kad: ${message}\n` });
  });

  it("stop reading standard input as soon as it is too much", async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given++;
        yield new Uint8Array(600);
      }
    }
    const { code, err } = await run(["set", "n", "-"], { env, stdin: endless() });
    expect([code, given]).toEqual([2, 2]);
    expect(err).toBe("kad: standard input has more than 896 bytes, which is all that a record holds\n");
  });

  it("need a network", async () => {
    expect(await run(["get", missing])).toMatchObject({
      code: 2,
      err: "kad: --bootstrap is missing: a node of the network, such as --bootstrap udp://127.0.0.1:4100; or set KAD_BOOTSTRAP\n",
    });
    const url = await network.silentUrl();
    expect(await run(["get", missing, "--bootstrap", url, "--timeout", "50ms"])).toMatchObject({
      code: 4,
      err: `kad: no node answered at ${url}; is one running there, and in the same network (--network-key, --insecure)?\n`,
    });
  });

  it("end early by a signal, without a word", async () => {
    const io = new TestIo({ env: { KAD_BOOTSTRAP: await network.silentUrl() } });
    const code = main(["get", missing], io);
    io.abort();
    expect(await code).toBe(130);
    expect([io.out, io.err]).toEqual(["", ""]);
  });
});

describe("kad set", () => {
  it("writes under a name, which the last writer wins", async () => {
    const first = await run(["set", "motd", "one"], { env });
    expect(first).toMatchObject({ code: 0, out: `${keyOfName("motd").toHex()}\n` });
    await run(["set", "motd", "-"], { env, stdin: chunks("t", utf8("wo")) });
    expect((await run(["get", "--name", "motd"], { env })).out).toBe("two");
    expect((await run(["get", first.out.trim()], { env })).out).toBe("two");
  });

  it("refuses a name that is too long", async () => {
    const { code, err } = await run(["set", "n".repeat(129), "v"], { env });
    expect(code).toBe(2);
    expect(err).toMatch(/^kad: .*1 to 128 bytes.*\n$/);
  });
});
