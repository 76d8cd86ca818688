import { describe, expect, it } from "vitest";
import { bar, Screen } from "../src/screen.ts";
import { TestIo } from "./support/io.ts";

describe("a screen", () => {
  it("draws over its block, and leaves what is printed", () => {
    const io = new TestIo({ isTTY: true, env: { NO_COLOR: "1" } });
    const screen = Screen.ofStdout(io);
    screen.draw(() => ["one", "two"]);
    screen.print("stays");
    screen.draw(() => ["three"]);
    screen.clear();
    screen.clear();
    const erasedTwo = "\r\x1b[2K\x1b[1A\x1b[2K";
    expect(io.out).toBe(`one\ntwo${erasedTwo}stays\nthree\r\x1b[2K`);
  });

  it("does not draw again at once, nor ask what it would draw", () => {
    const io = new TestIo({ isTTY: true });
    const screen = Screen.ofStdout(io);
    screen.draw(() => ["one"]);
    screen.draw(() => expect.unreachable("it is too early"));
    expect(io.out).toBe("one");
  });

  it("cuts a line that the terminal would wrap", () => {
    const io = new TestIo({ isTTY: true, columns: 44 });
    Screen.ofStdout(io).draw(() => [`\x1b[1m${"x".repeat(43)}\x1b[22m`, "y".repeat(44)]);
    expect(io.out).toBe(`\x1b[1m${"x".repeat(43)}\x1b[22m\n${"y".repeat(42)}…`);
  });

  it("takes a terminal that tells no sensible width to be 40 wide", () => {
    const io = new TestIo({ isTTY: true, columns: 0 });
    expect(Screen.ofStdout(io).columns).toBe(40);
  });

  it("draws and colors nothing where the output is no terminal", () => {
    const io = new TestIo();
    const screen = Screen.ofStdout(io);
    screen.draw(() => expect.unreachable("nothing is to be drawn"));
    screen.print(screen.style.bold("plain"));
    screen.clear();
    expect(io.out).toBe("plain\n");
  });

  it.each([
    [{}, "\x1b[31mno\x1b[39m"],
    [{ NO_COLOR: "" }, "\x1b[31mno\x1b[39m"],
    [{ NO_COLOR: "1" }, "no"],
    [{ TERM: "dumb" }, "no"],
  ])("colors on a terminal unless told not to: %j", (env, text) => {
    expect(Screen.ofStdout(new TestIo({ isTTY: true, env })).style.bad("no")).toBe(text);
    expect(Screen.ofStderr(new TestIo({ isErrorTTY: true, env })).style.bad("no")).toBe(text);
  });

  it("shows how far something is", () => {
    expect([bar(0, 4, 4), bar(1, 4, 4), bar(4, 4, 4), bar(5, 4, 4), bar(0, 0, 4)]).toEqual([
      "░░░░",
      "█░░░",
      "████",
      "████",
      "████",
    ]);
  });
});
