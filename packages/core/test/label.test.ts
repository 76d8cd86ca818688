import { describe, expect, it } from "vitest";
import { UsageError } from "../src/errors.ts";
import { labelled } from "../src/label.ts";

describe("labelled", () => {
  it("is the label's length, the label and the parts, one after the other", () => {
    const bytes = labelled("kad/1/id", Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3));
    expect(bytes).toEqual(Uint8Array.of(8, 0x6b, 0x61, 0x64, 0x2f, 0x31, 0x2f, 0x69, 0x64, 1, 2, 3));
  });

  it("copies its parts", () => {
    const part = Uint8Array.of(7);
    const bytes = labelled("x", part);
    part.fill(0xaa);
    expect(bytes).toEqual(Uint8Array.of(1, 0x78, 7));
  });

  it("takes 255 characters", () => {
    expect(labelled("a".repeat(255))).toHaveLength(256);
  });

  it.each(["", "a".repeat(256), "naïve", "tab\t"])("refuses the label %j", (label) => {
    expect(() => labelled(label)).toThrow(
      expect.objectContaining({ name: UsageError.name, code: "invalidArgument" }),
    );
  });
});
