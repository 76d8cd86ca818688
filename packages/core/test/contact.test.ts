import { describe, expect, it } from "vitest";
import { type Address, maxAddresses, maxAddressesBytes } from "../src/address.ts";
import { boundAddresses } from "../src/contact.ts";

function address(key: string, bytes: number): Address {
  return { key, wire: new Uint8Array(bytes), kind: 1, link: 1, maxBytes: 1_200 };
}

describe("boundAddresses", () => {
  it.each([
    { given: "a7 b7 c7", kept: "a7 b7 c7", rule: "keeps what fits, in its order" },
    { given: "a7 b7 a7 c7", kept: "a7 b7 c7", rule: "drops what is there twice" },
    { given: "a7 b7 c7 d7 e7", kept: "a7 b7 c7 d7", rule: "keeps four" },
    { given: "a7 a7 b7 c7 d7", kept: "a7 b7 c7 d7", rule: "counts doubles once" },
    { given: "a130 b130 c60", kept: "a130 c60", rule: "goes past one that is too long for what is left" },
    { given: "a130 b62", kept: "a130 b62", rule: "fills 192 bytes" },
    { given: "a193 b7", kept: "b7", rule: "drops what is too long by itself" },
    { given: "", kept: "", rule: "keeps nothing of nothing" },
  ])("$rule", ({ given, kept }) => {
    const named = (names: string): Address[] =>
      names === "" ? [] : names.split(" ").map((name) => address(name, Number(name.slice(1))));
    const bounded = boundAddresses(named(given));
    expect(bounded.map(({ key }) => key)).toEqual(named(kept).map(({ key }) => key));
    expect(bounded.length).toBeLessThanOrEqual(maxAddresses);
    expect(bounded.reduce((sum, { wire }) => sum + wire.length, 0)).toBeLessThanOrEqual(maxAddressesBytes);
  });
});
