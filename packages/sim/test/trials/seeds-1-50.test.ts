import { describe } from "vitest";
import { trials } from "./trials.ts";

describe("a network under faults, held to all rules, makes progress once it is whole again", () => {
  trials(1, 50);
});
