import { expect, it } from "vitest";
import { SessionMemory } from "../../src/datagrams/session-memory.ts";

it("sessions have memory of their own, erased when it is given back, and used again", () => {
  const memory = new SessionMemory();
  const slots = Array.from({ length: 200 }, () => memory.take());
  for (const [i, { words, at }] of slots.entries()) words.fill(i + 1, at, at + 32);
  for (const [i, { words, bytes, at }] of slots.entries()) {
    expect(words.subarray(at, at + 32).every((word) => word === i + 1)).toBe(true);
    expect(bytes.buffer).toBe(words.buffer);
  }
  const [first] = slots;
  if (first === undefined) throw new Error("there is none");
  memory.free(first);
  expect(first.words.subarray(first.at, first.at + 32).every((word) => word === 0)).toBe(true);
  const blocks = new Set(slots.map(({ words }) => words));
  expect(memory.take()).toBe(first);
  expect(blocks.size).toBe(4);
});
