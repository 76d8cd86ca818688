import { describe, expect, it } from "vitest";
import { abortable, aborted } from "../src/abort.ts";

const never = new Promise<never>(() => undefined);

describe("what can be aborted", () => {
  it("ends as the work does", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(new Error("why")), signal)).rejects.toThrow("why");
  });

  it("ends with the signal, before or after", async () => {
    const end = new AbortController();
    const work = abortable(never, end.signal);
    end.abort(new Error("SIGTERM"));
    await expect(work).rejects.toThrow("SIGTERM");
    await expect(abortable(never, end.signal)).rejects.toThrow("SIGTERM");
    await expect(abortable(Promise.reject(new Error("too late")), end.signal)).rejects.toThrow("SIGTERM");
  });
});

describe("waiting for a signal", () => {
  it("ends with it, also where it has come already", async () => {
    const end = new AbortController();
    const waiting = aborted(end.signal);
    end.abort();
    await waiting;
    await aborted(end.signal);
    expect(end.signal.aborted).toBe(true);
  });
});
