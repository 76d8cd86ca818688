import { describe, expect, it } from "vitest";
import { resolveLimits } from "../src/options.ts";
import { SendRoom } from "../src/send-room.ts";

describe("SendRoom", () => {
  const roomOf = () => new SendRoom(resolveLimits({ maxSendBytes: 100, maxSendBytesPerPeer: 60 }));

  it("has a bound for each peer and one in all, and takes nothing over either", () => {
    const room = roomOf();
    expect(room.take("a", 60)).toBe(true);
    expect(room.take("a", 1)).toBe(false);
    expect(room.take("b", 41)).toBe(false);
    expect(room.take("b", 40)).toBe(true);
    expect(room.take("c", 1)).toBe(false);
    expect(room.used).toBe(100);
  });

  it("has again what was given back", () => {
    const room = roomOf();
    room.take("a", 40);
    room.take("a", 20);
    room.giveBack("a", 40);
    expect(room.used).toBe(20);
    expect(room.take("a", 40)).toBe(true);
    room.giveBack("a", 40);
    room.giveBack("a", 20);
    expect(room.used).toBe(0);
    expect(room.take("a", 60)).toBe(true);
  });

  it("always has room for nothing", () => {
    const room = roomOf();
    room.take("a", 60);
    expect(room.take("a", 0)).toBe(true);
    room.giveBack("a", 0);
    expect(room.take("a", 1)).toBe(false);
  });
});
