import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { expiryOf } from "../src/certificate.ts";
import { Credentials, type CredentialsOptions } from "../src/credentials.ts";
import { type Identity, SeedIdentity } from "../src/identity.ts";
import { NetworkKey } from "../src/network.ts";
import { hex } from "./support/hex.ts";
import { native } from "./support/providers.ts";
import { SeededRandom } from "./support/random.ts";

const dayMs = 86_400_000;
const identity = SeedIdentity.generate(native, new SeededRandom("identity"));
const other = SeedIdentity.generate(native, new SeededRandom("other"));

function make(options: Partial<CredentialsOptions> = {}): Credentials {
  return new Credentials({
    provider: native,
    identity,
    keys: new SeededRandom("keys"),
    nowMs: 500,
    ...options,
  });
}

/** An identity whose signatures come when the test says so. */
class SlowIdentity implements Identity {
  readonly publicKey = identity.publicKey;
  readonly waiting: { readonly message: Uint8Array; settle(signature: Uint8Array | Error): void }[] = [];

  sign(message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (signature: Uint8Array | Error): void =>
        signature instanceof Error ? reject(signature) : resolve(signature);
      this.waiting.push({ message, settle });
    });
  }

  async answer(): Promise<void> {
    const request = this.waiting.shift();
    request?.settle(identity.sign(request.message));
    await Promise.resolve();
  }
}

describe("static keys", () => {
  it("are there at once, and others believe them", () => {
    const credentials = make();
    const key = credentials.staticAt(0);
    const peer = make({ identity: other });
    expect(peer.check(500, key?.certificate as Uint8Array)).toEqual(identity.id);
    expect(credentials.check(500, key?.certificate as Uint8Array)).toBe("ownIdentity");
  });

  it("are replaced after a day, between two seconds, the next one being made ahead", () => {
    const keys = new SeededRandom("keys");
    const credentials = make({ keys });
    const first = credentials.staticAt(0);
    expect(keys.drawn).toBe(32);
    credentials.handleTimeout(500 + dayMs - 600_000);
    expect(keys.drawn).toBe(64);
    expect(credentials.staticAt(86_399)).toBe(first);
    credentials.handleTimeout(500 + dayMs);
    // A cookie of this very second may have been given out already: the new key counts from the next.
    expect(credentials.secondOf(500 + dayMs)).toBe(86_400);
    expect(credentials.staticAt(86_400)).toBe(first);
    const second = credentials.staticAt(86_401);
    expect(hex(second?.pair.publicKey)).not.toBe(hex(first?.pair.publicKey));
    credentials.handleTimeout(500 + dayMs + 30_000);
    expect(credentials.staticAt(86_400)).toBe(first);
    credentials.handleTimeout(500 + dayMs + 62_000);
    expect(credentials.staticAt(86_400)).toBeUndefined();
    expect(credentials.staticAt(86_470)).toBe(second);
  });

  it("do not change when time is told early or twice", () => {
    const credentials = make();
    const first = credentials.staticAt(0);
    for (const nowMs of [500, 500, 1_000, dayMs - 700_000]) credentials.handleTimeout(nowMs);
    expect(credentials.staticAt(80_000)).toBe(first);
  });

  it("catch up after a long sleep", () => {
    const credentials = make();
    const first = credentials.staticAt(0);
    const nowMs = 500 + 10 * dayMs;
    credentials.handleTimeout(nowMs);
    expect(credentials.staticAt(credentials.secondOf(nowMs) + 1)).not.toBe(first);
  });

  it("expire two rotations after they were made, where wall-clock time is known", () => {
    const unixMs = 1_700_000_000_000;
    const known = make({ unixMs });
    const expires = (key: ReturnType<Credentials["staticAt"]>) => expiryOf(key?.certificate as Uint8Array);
    expect(expires(known.staticAt(0))).toBe(1_700_000_000 + 2 * 86_400);
    const late = make();
    const pair = late.staticAt(0)?.pair;
    expect(expires(late.staticAt(0))).toBe(0);
    late.onWallClock(500, unixMs);
    late.handleTimeout(500);
    expect(expires(late.staticAt(0))).toBe(0);
    expect(expires(late.staticAt(1))).toBe(1_700_000_000 + 2 * 86_400);
    expect(late.staticAt(1)?.pair).toBe(pair);
    expect(
      late.check(500 + 3 * dayMs, make({ identity: other, unixMs }).staticAt(0)?.certificate as Uint8Array),
    ).toBe("expired");
  });

  it("wait for a signature that takes its time", async () => {
    const slow = new SlowIdentity();
    const credentials = make({ identity: slow });
    expect(credentials.staticAt(0)).toBeUndefined();
    credentials.handleTimeout(600);
    await slow.answer();
    credentials.handleTimeout(1_600);
    const first = credentials.staticAt(1);
    expect(make({ identity: other }).check(500, first?.certificate as Uint8Array)).toEqual(identity.id);

    credentials.handleTimeout(dayMs);
    credentials.handleTimeout(dayMs + 5_000);
    const second = credentials.secondOf(dayMs + 5_000);
    expect(credentials.staticAt(second + 1)).toBe(first);
    await slow.answer();
    credentials.handleTimeout(dayMs + 6_000);
    expect(credentials.staticAt(second + 2)).not.toBe(first);
  });

  it("stay in force when the identity does not sign, which is told, and it is asked again", async () => {
    const slow = new SlowIdentity();
    const credentials = make({ identity: slow });
    slow.waiting.shift()?.settle(new Error("no card in the reader"));
    await Promise.resolve();
    await Promise.resolve();
    expect(credentials.takeError()).toMatchObject({
      code: "signingFailed",
      cause: expect.objectContaining({ message: "no card in the reader" }),
    });
    expect(credentials.takeError()).toBeUndefined();
    credentials.handleTimeout(60_500);
    await slow.answer();
    credentials.handleTimeout(61_500);
    expect(credentials.staticAt(61)).toBeDefined();
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["gives a short signature", () => new Uint8Array(63)],
    ["gives no bytes", () => Promise.resolve("signature" as never)],
  ])("are not there when the identity %s", async (_what, sign) => {
    const credentials = make({ identity: { publicKey: identity.publicKey, sign } });
    await Promise.resolve();
    await Promise.resolve();
    expect(credentials.staticAt(0)).toBeUndefined();
    expect(credentials.takeError()?.code).toBe("signingFailed");
  });
});

describe("credentials", () => {
  it("show no secret in a log", () => {
    const key = NetworkKey.fromHex("0123456789abcdef".repeat(4));
    const credentials = make({ networkKey: key, keys: { fill: (into) => into.fill(0x5b) } });
    const { psk, helloKey } = credentials.network;
    const shown = [
      inspect(credentials, {
        depth: 9,
        showHidden: true,
        breakLength: Number.POSITIVE_INFINITY,
        compact: 100,
      }),
      JSON.stringify(credentials),
    ];
    for (const text of shown) {
      expect(text).toContain("kad");
      for (const secret of [psk, helloKey, new Uint8Array(32).fill(0x5b)])
        expect(text.replaceAll(/[^0-9]+/g, " ")).not.toContain(secret?.subarray(0, 5).join(" "));
    }
  });

  it.each([
    [{ rotationMs: 59_999 }, "rotationMs: 59999; allowed are 60000 to 2592000000 ms"],
    [{ rotationMs: Number.NaN }, "rotationMs: NaN"],
    [{ identity: { publicKey: new Uint8Array(31), sign: () => new Uint8Array(64) } }, "identity.publicKey"],
    [{ network: "" }, "network: 0 bytes of UTF-8; allowed are 1 to 255 bytes"],
  ])("refuse %o", (options, message) => {
    expect(() => make(options)).toThrow(message);
  });
});
