/** Who a command's node is, and in which network. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode } from "@kad/dht";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { begin, type JsonEvent, run } from "../support/io.ts";

let folder = "";
const path = (name: string): string => join(folder, name);
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kad-security-"));
  for (const kind of ["identity", "network-key"]) await run(["new", kind, path(kind)]);
});
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});
afterAll(() => rm(folder, { recursive: true }));

interface Listening {
  readonly id: string;
  readonly publicKey: string | undefined;
  readonly url: string;
}

/** A node on loopback that runs until the test is over. */
async function startNode(...options: string[]): Promise<Listening> {
  const { io, code } = begin(["node", "--listen", "udp://127.0.0.1:0", "--json", ...options]);
  ends.push(() => {
    io.abort();
    return code;
  });
  await Promise.race([io.until(/"event":"listening".*\n/), code]);
  const { id = "", publicKey, addresses = [] } = io.events[0] as JsonEvent;
  return { id, publicKey, url: addresses[0] as string };
}

describe("kad new", () => {
  it("makes an identity that a node then has, and prints what others may know of it", async () => {
    const made = await run(["new", "identity", path("mine")]);
    expect(made).toMatchObject({ code: 0, err: "" });
    const [, id, publicKey] = /^id {10}([0-9a-f]{64})\npublic key {2}([0-9a-f]{64})\n$/.exec(made.out) ?? [];
    if (process.platform !== "win32") expect((await stat(path("mine"))).mode & 0o777).toBe(0o600);
    expect(await startNode("--identity", path("mine"))).toMatchObject({ id, publicKey });
    const program = await run(["new", "identity", path("its"), "--json"]);
    expect(program.events).toEqual([
      {
        event: "made",
        kind: "identity",
        file: path("its"),
        id: expect.stringMatching(/^[0-9a-f]{64}$/),
        publicKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
  });

  it("makes a network key, and shows nothing of it", async () => {
    const made = await run(["new", "network-key", path("shared"), "--json"]);
    expect(made.events).toEqual([{ event: "made", kind: "network-key", file: path("shared") }]);
    const [digits = ""] = /[0-9a-f]{64}/.exec(await readFile(path("shared"), "utf8")) ?? [];
    expect(digits).toHaveLength(64);
    expect(made.out).not.toContain(digits);
  });

  it.each([
    [["new", "identity"], "FILE is missing"],
    [["new", "key", "x"], '"key" cannot be made; allowed are identity and network-key'],
  ])("refuses %j", async (argv, message) => {
    const { code, err } = await run(argv);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it("writes over nothing", async () => {
    const before = await readFile(path("identity"), "utf8");
    const again = await run(["new", "identity", path("identity")]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("it exists already")]);
    expect(await readFile(path("identity"), "utf8")).toBe(before);
  });
});

describe("a private network", () => {
  it("answers those who have its key, and is silent to all others", async () => {
    const key = ["--network-key", path("network-key")];
    const { url } = await startNode(...key);
    const member = await startNode(...key, "--bootstrap", url);
    const put = await run(["put", "--text", "among us", "--bootstrap", url, ...key]);
    expect(put).toMatchObject({ code: 0, err: "" });
    const env = { KAD_BOOTSTRAP: member.url, KAD_NETWORK_KEY: path("network-key") };
    expect((await run(["get", put.out.trim()], { env })).out).toBe("among us");
    await run(["new", "network-key", path("another")]);
    for (const other of [[], ["--network-key", path("another")], ["--insecure"]]) {
      const { code, err } = await run(["ping", url, "--timeout", "300ms", ...other]);
      expect([code, err]).toEqual([4, expect.stringContaining("--network-key")]);
    }
  });
});

describe("a name", () => {
  it("set with an identity is that identity's own; without, it is everybody's", async () => {
    const { url } = await startNode();
    const holder = await createNode({ listen: "udp://127.0.0.1:0", bootstrap: [url] });
    ends.push(() => holder.close());
    const env = { KAD_BOOTSTRAP: url };
    const mine = await run(["set", "motd", "mine", "--identity", path("identity"), "--json"], { env });
    const { owner = "" } = mine.events[0] as JsonEvent & { readonly owner?: string };
    expect(owner).toMatch(/^[0-9a-f]{64}$/);
    await run(["set", "motd", "everybody's"], { env });
    expect((await run(["get", "--name", "motd", "--owner", owner], { env })).out).toBe("mine");
    expect((await run(["get", "--name", "motd"], { env })).out).toBe("everybody's");
    const explained = await run(["explain", "--name", "motd", "--owner", owner], { env });
    expect(explained.out).toMatch(/found 4 bytes/);
    const nobodys = await run(["get", "--name", "motd", "--owner", "ab".repeat(32)], { env });
    expect(nobodys).toMatchObject({ code: 3, err: "kad: nobody has motd\n" });
  });
});

describe("plain text", () => {
  it("must be asked for on both sides", async () => {
    const { url, publicKey } = await startNode("--insecure");
    expect(publicKey).toBeUndefined();
    expect((await run(["ping", url, "--insecure"])).code).toBe(0);
    expect((await run(["ping", url, "--timeout", "300ms"])).code).toBe(4);
  });
});

describe("what is wrong with a file or an option is one line, which names it", () => {
  it.each([
    [["--identity", "nowhere"], "kad: nowhere: there is no such file; expected is", "kad new makes one"],
    [["--network-key", "nowhere"], "kad: nowhere: ", "kad new makes one"],
    [["--insecure", "--identity", "x"], "--insecure beside --identity", ""],
    [["--insecure", "--network-key", "x"], "--insecure beside --network-key", ""],
  ])("%j", async (options, begins, also) => {
    for (const command of [["ping", "udp://127.0.0.1:9"], ["node"]]) {
      const { code, err, out } = await run([...command, ...options]);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toContain(begins);
      expect(err).toContain(also);
    }
  });

  it("a file that is none", async () => {
    await writeFile(path("broken"), "hunter2", { mode: 0o600 });
    const { code, err } = await run(["node", "--identity", path("broken")]);
    expect([code, err]).toEqual([2, expect.stringContaining(`kad: ${path("broken")}: it does not hold`)]);
    expect(err).not.toContain("hunter2");
  });

  it("an owner that is none, and one without a name", async () => {
    const bootstrap = ["--bootstrap", "udp://127.0.0.1:9"];
    const wrong = await run(["get", "--name", "x", "--owner", "me", ...bootstrap]);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('--owner: "me" is no public key')]);
    const lone = await run(["get", "00".repeat(32), "--owner", "ab".repeat(32), ...bootstrap]);
    expect([lone.code, lone.err]).toEqual([2, expect.stringContaining("--owner without --name")]);
  });
});
