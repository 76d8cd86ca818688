import { expect, it } from "vitest";
import { WallClock } from "../src/wall-clock.ts";

const hour = 3_600_000;

it.each([
  ["the first look", [[5, 1_000_005]], [1_000_005]],
  [
    "nothing new within the hour",
    [
      [0, 1_000],
      [hour - 1, hour + 999],
    ],
    [1_000],
  ],
  [
    "an hour that has passed",
    [
      [0, 1_000],
      [hour, hour + 1_000],
      [hour + 1, hour + 1_001],
    ],
    [1_000, hour + 1_000],
  ],
  [
    "a clock that is slewed by a second at most",
    [
      [0, 1_000],
      [10, 2_010],
      [20, 20],
    ],
    [1_000],
  ],
  [
    "a jump forward, once",
    [
      [0, 1_000],
      [10, 2_011],
      [20, 2_021],
    ],
    [1_000, 2_011],
  ],
  [
    "a jump back",
    [
      [0, 5_000],
      [10, 4_009],
    ],
    [5_000, 4_009],
  ],
])("tells %s", (_title, looks, told) => {
  const events: unknown[] = [];
  const clock = new WallClock((event) => events.push(event));
  const answers = looks.map(([nowMs, unixMs]) => clock.check(nowMs as number, unixMs as number));
  expect(events).toEqual(told.map((unixMs) => ({ type: "wallClock", unixMs })));
  expect(answers.filter((isTold) => isTold).length).toBe(told.length);
});

it("is to be looked at an hour after it was told", () => {
  const clock = new WallClock(() => undefined);
  clock.check(7, 0);
  expect(clock.dueAtMs).toBe(hour + 7);
});
