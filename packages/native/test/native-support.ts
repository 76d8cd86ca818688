/** Whether native calls can be tried here, and if not, why: for `describe.skipIf` and titles. */
import { UnavailableError } from "../src/errors.ts";
import { type Native, openNative } from "../src/native.ts";

const options = {
  feature: "this test",
  instead: "Use nothing instead.",
  platforms: ["linux"],
  libraries: ["libc.so.6", null],
} as const;

export function openLibc(): Native {
  return openNative(options);
}

function missing(): string | undefined {
  try {
    openLibc();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

/** `undefined`: nothing is missing. */
export const whyNot: string | undefined = missing();
