import { describe, expect, it } from "vitest";
import { HookError, type KadError } from "../src/errors.ts";
import { immutableRecord } from "../src/immutable-record.ts";
import { NodeId } from "../src/node-id.ts";
import { openRecord } from "../src/open-record.ts";
import type { WireRecord } from "../src/protocol.ts";
import type { RecordValidator, Sha256, ValidationContext } from "../src/record.ts";
import { RecordTypes } from "../src/record-types.ts";
import { sha256 } from "./sha256.ts";

const key = NodeId.fromBytes(Uint8Array.of(1));
const dayMs = 86_400_000;

/** Valid when its first byte is not 0; the longer one is kept. */
const longest: RecordValidator = {
  code: 40,
  maxBodyBytes: 4,
  quorum: 3,
  validate: (_key, body) => (body[0] === 0 ? "begins with zero" : undefined),
  select: (a, b) => a.length - b.length,
};

const throwing: RecordValidator = {
  ...longest,
  code: 41,
  validate() {
    throw new RangeError("validate");
  },
  select() {
    throw new RangeError("select");
  },
};

function setUp(
  validators: Record<string, RecordValidator> = { longest, throwing },
  hash: Sha256 = sha256,
  unixMs: () => number | undefined = () => undefined,
): { types: RecordTypes; reported: KadError[] } {
  const reported: KadError[] = [];
  const types = new RecordTypes(
    {
      sha256: hash,
      limits: { valueQuorum: 5, valueLifetimeMs: dayMs },
      unixMs,
      report: (error) => void reported.push(error),
    },
    validators,
  );
  return { types, reported };
}

function wire(typeCode: number, ...body: number[]): WireRecord {
  return { typeCode, key, lifetimeMs: 1_000, body: Uint8Array.from(body) };
}

describe("RecordTypes", () => {
  it("knows the built-in types and the host's, by name and by code", () => {
    const { types } = setUp();
    for (const [name, code] of [
      ["immutable", 1],
      ["open", 2],
      ["longest", 40],
      ["throwing", 41],
    ] as const) {
      expect(types.codeOf(name)).toBe(code);
      expect(types.nameOf(code)).toBe(name);
    }
    expect([types.codeOf("constructor"), types.nameOf(3)]).toEqual([undefined, undefined]);
    const { sha256: hash, ...rest } = {
      sha256,
      limits: { valueQuorum: 5, valueLifetimeMs: dayMs },
      unixMs: () => undefined,
      report: () => {},
    };
    expect(new RecordTypes({ ...rest, sha256: hash }).codeOf("open")).toBe(2);
  });

  it("asks one holder where the key proves the value, else as many as the type or the limit says", () => {
    const { types } = setUp();
    expect([1, 2, 40, 99, undefined].map((code) => types.quorumOf(code))).toEqual([1, 5, 3, 5, 5]);
  });

  it.each([
    ["a taken name", { open: longest }, "validators.open"],
    ["a taken code", { mine: { ...longest, code: 2 } }, "validators.mine.code: 2; taken by open"],
    ["two with one code", { a: longest, b: longest }, "validators.b.code: 40; taken by a"],
    [
      "the code 0",
      { mine: { ...longest, code: 0 } },
      "validators.mine.code: 0; allowed is a whole number from 1 to 255",
    ],
    ["the code 256", { mine: { ...longest, code: 256 } }, "validators.mine.code: 256"],
    ["the code 1.5", { mine: { ...longest, code: 1.5 } }, "validators.mine.code: 1.5"],
    [
      "a body of 1,041 bytes",
      { mine: { ...longest, maxBodyBytes: 1_041 } },
      "validators.mine.maxBodyBytes: 1041; allowed",
    ],
    ["a body of −1 bytes", { mine: { ...longest, maxBodyBytes: -1 } }, "validators.mine.maxBodyBytes"],
    ["a quorum of 0", { mine: { ...longest, quorum: 0 } }, "validators.mine.quorum: 0"],
  ])("refuses %s", (_, validators, message) => {
    expect(() => setUp(validators)).toThrow(
      expect.objectContaining({ code: "invalidOption", message: expect.stringContaining(message) }),
    );
  });

  it.each([
    ["a valid one", wire(40, 1, 2), undefined],
    ["an unknown type", wire(99, 1), "unsupported"],
    ["a body over the type's limit", wire(40, 1, 2, 3, 4, 5), "tooLarge"],
    ["a body that the validator refuses", wire(40, 0), "invalidRecord"],
    ["a validator that throws", wire(41, 1), "invalidRecord"],
  ])("of records from the network: %s", (_, record, reason) => {
    expect(setUp().types.refusalOf(record)).toBe(reason);
  });

  it("reports a validator that throws, with what it threw", () => {
    const { types, reported } = setUp();
    types.refusalOf(wire(41, 1));
    expect(types.better(41, Uint8Array.of(1), Uint8Array.of(2))).toBeUndefined();
    expect(reported).toEqual([expect.any(HookError), expect.any(HookError)]);
    expect(reported.map(({ code, cause }) => [code, (cause as Error).message])).toEqual([
      ["hookFailed", "validate"],
      ["hookFailed", "select"],
    ]);
  });

  it("reports a hash function that throws", () => {
    const { types, reported } = setUp({}, () => {
      throw new Error("no hash");
    });
    expect(types.refusalOf(wire(1, 1))).toBe("invalidRecord");
    expect(reported).toEqual([expect.objectContaining({ message: "validator immutable threw: no hash" })]);
  });

  it("chooses between two as the type's validator does", () => {
    const { types } = setUp();
    expect(types.better(40, Uint8Array.of(1, 1), Uint8Array.of(1))).toBeGreaterThan(0);
    expect(types.better(40, Uint8Array.of(1), Uint8Array.of(1, 1))).toBeLessThan(0);
    expect(types.better(40, Uint8Array.of(1), Uint8Array.of(2))).toBe(0);
    expect(types.better(99, Uint8Array.of(1), Uint8Array.of(2))).toBeUndefined();
  });

  it("gives validators the hash and the wall clock", () => {
    const seen: ValidationContext[] = [];
    const noting: RecordValidator = {
      ...longest,
      validate: (_key, _body, context) => void seen.push(context),
      select: (_a, _b, context) => seen.push(context),
    };
    let unixMs = 76;
    const { types } = setUp({ noting }, sha256, () => ++unixMs);
    types.refusalOf(wire(40, 1));
    types.better(40, Uint8Array.of(1), Uint8Array.of(2));
    types.toWire({ type: "noting", key, body: Uint8Array.of(1) });
    expect(seen).toEqual([77, 78, 79].map((at) => ({ sha256, unixMs: at })));
  });
});

describe("the sequence number of a record", () => {
  it("is what its type says, and none where the type has none or is unknown", () => {
    const { types } = setUp({ longest, counted: { ...longest, code: 42, seqOf: (body) => body.length } });
    const body = Uint8Array.of(1, 2, 3);
    expect([1, 40, 42, 99].map((code) => types.seqOf(code, body))).toEqual([
      undefined,
      undefined,
      3,
      undefined,
    ]);
    expect(types.seqOf(2, openRecord(sha256, "name", body, 2 ** 53 - 1).body)).toBe(2 ** 53 - 1);
  });

  it("is none when its validator throws, which is reported", () => {
    const failing = {
      ...longest,
      seqOf(): number {
        throw new RangeError("seqOf");
      },
    };
    const { types, reported } = setUp({ failing });
    expect(types.seqOf(40, Uint8Array.of(1))).toBeUndefined();
    expect(reported).toEqual([expect.objectContaining({ message: "validator failing threw: seqOf" })]);
  });
});

describe("a record that says how long it lives", () => {
  /** Its second byte is a lifetime in ms; without one it says nothing. */
  const mortal: RecordValidator = { ...longest, lifetimeMs: (body) => body[1] };

  it.each([
    ["what it says, where that is less than the limit", [1, 200], 200],
    ["no time at all when it is over", [1, 0], 0],
    ["as long as the limit says, where it says nothing", [1], dayMs],
  ])("may be kept %s", (_, body, longestMs) => {
    expect(setUp({ mortal }).types.longestMs(40, Uint8Array.from(body))).toBe(longestMs);
  });

  it("may not be kept longer than the limit, whatever it says", () => {
    const { types } = setUp({ mortal: { ...longest, lifetimeMs: () => 1e15 } });
    expect(types.longestMs(40, Uint8Array.of(1))).toBe(dayMs);
  });

  it.each([1, 2, 99])("is none of type %i", (code) => {
    expect(setUp().types.longestMs(code, Uint8Array.of(1))).toBe(dayMs);
  });

  it("may not be kept when its validator throws, which is reported", () => {
    const failing = {
      ...longest,
      lifetimeMs(): number {
        throw new RangeError("lifetimeMs");
      },
    };
    const { types, reported } = setUp({ failing });
    expect(types.longestMs(40, Uint8Array.of(1))).toBe(0);
    expect(reported).toEqual([
      expect.objectContaining({ code: "hookFailed", message: "validator failing threw: lifetimeMs" }),
    ]);
  });

  it("is put with that lifetime at most, and not when it is over", () => {
    const { types } = setUp({ mortal });
    const lifetimeOf = (lifetimeMs: number | undefined, ...body: number[]): number => {
      const terms = lifetimeMs === undefined ? {} : { lifetimeMs };
      return types.toWire({ type: "mortal", key, body: Uint8Array.from(body), ...terms }).lifetimeMs;
    };
    expect([lifetimeOf(undefined, 1, 200), lifetimeOf(300, 1, 200), lifetimeOf(100, 1, 200)]).toEqual([
      200, 200, 100,
    ]);
    expect(() => lifetimeOf(undefined, 1, 0)).toThrow(
      expect.objectContaining({
        code: "invalidRecord",
        message: "mortal: it says of itself that it is over",
      }),
    );
  });
});

describe("a record to be put", () => {
  it("is copied, and lives as long as the limit says or less", () => {
    const { types } = setUp();
    const record = openRecord(sha256, "name", Uint8Array.of(1), 4);
    const body = Uint8Array.from(record.body);
    const travelling = types.toWire(record);
    record.body.fill(0xaa);
    expect(travelling).toEqual({ typeCode: 2, key: record.key, lifetimeMs: dayMs, body });
    const short = { ...immutableRecord(sha256, Uint8Array.of(1)), lifetimeMs: 1 };
    expect(types.toWire(short)).toMatchObject({ typeCode: 1, lifetimeMs: 1 });
  });

  it.each([
    [
      "of an unknown type",
      { type: "nothing" },
      'type: "nothing"; known are immutable, open, longest, throwing',
    ],
    ["that is too large", { body: new Uint8Array(5) }, "body: 5 bytes; allowed for longest are 0 to 4 bytes"],
    ["that is invalid", { body: Uint8Array.of(0) }, "longest: begins with zero"],
    ["without life", { lifetimeMs: 0 }, "lifetimeMs: 0; allowed are 1 to 86400000 ms"],
    ["that lives too long", { lifetimeMs: dayMs + 1 }, "lifetimeMs: 86400001"],
    ["of no number of milliseconds", { lifetimeMs: Number.NaN }, "lifetimeMs: NaN"],
    ["whose validator throws", { type: "throwing" }, "the validator of throwing threw"],
  ])("%s is refused at once", (_, change, message) => {
    const { types, reported } = setUp();
    const record = { type: "longest", key, body: Uint8Array.of(1), ...change };
    expect(() => types.toWire(record)).toThrow(
      expect.objectContaining({ code: "invalidRecord", message: expect.stringContaining(message) }),
    );
    // The caller is told by the throw; nobody else needs to be.
    expect(reported).toEqual([]);
  });
});
