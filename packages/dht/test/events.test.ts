import { CallbackError, NodeId } from "@kad/core";
import { describe, expect, it, vi } from "vitest";
import { DhtEventTarget } from "../src/events.ts";

/** Emits what a test wants. */
class Speaker extends DhtEventTarget {
  readonly reports: { readonly error: CallbackError; readonly type: string }[];

  constructor() {
    const reports: { error: CallbackError; type: string }[] = [];
    super((error, type) => reports.push({ error, type }));
    this.reports = reports;
  }

  join(contacts: number): void {
    this.emit("node:join", { contacts });
  }

  get isHeard(): boolean {
    return this.hasListeners("node:join");
  }
}

describe("the events of a node", () => {
  it("a listener that throws is reported, and the others are called nevertheless", () => {
    const speaker = new Speaker();
    const after = vi.fn();
    const fault = new Error("listener's own");
    speaker.addEventListener("node:join", () => {
      throw fault;
    });
    speaker.addEventListener("node:join", after);
    speaker.join(3);
    expect(after).toHaveBeenCalledTimes(1);
    expect(after.mock.calls[0]?.[0]).toMatchObject({ type: "node:join", detail: { contacts: 3 } });
    expect(speaker.reports).toEqual([{ error: expect.any(CallbackError), type: "node:join" }]);
    expect(speaker.reports[0]?.error).toMatchObject({ code: "callbackFailed", cause: fault });
  });

  it("a listener that rejects is reported", async () => {
    const speaker = new Speaker();
    const fault = new Error("later");
    speaker.addEventListener("node:join", async () => {
      await Promise.resolve();
      throw fault;
    });
    speaker.join(1);
    await vi.waitFor(() => expect(speaker.reports).toHaveLength(1), { timeout: 30_000 });
    expect(speaker.reports[0]?.error.cause).toBe(fault);
  });

  it("an object with handleEvent is a listener too, its method read at the time of the event", () => {
    const speaker = new Speaker();
    const listener = { handleEvent: vi.fn() };
    const early = listener.handleEvent;
    speaker.addEventListener("node:join", listener);
    listener.handleEvent = vi.fn();
    speaker.join(1);
    expect(early).not.toHaveBeenCalled();
    expect(listener.handleEvent).toHaveBeenCalledTimes(1);
  });

  it("the same listener added twice is called once, and can be removed", () => {
    const speaker = new Speaker();
    const listener = vi.fn();
    speaker.addEventListener("node:join", listener);
    speaker.addEventListener("node:join", listener);
    speaker.join(1);
    speaker.removeEventListener("node:join", listener);
    expect(speaker.isHeard).toBe(false);
    speaker.join(2);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("once and signal do what they do for every EventTarget", () => {
    const speaker = new Speaker();
    const controller = new AbortController();
    const [once, signalled] = [vi.fn(), vi.fn()];
    speaker.addEventListener("node:join", once, { once: true });
    speaker.addEventListener("node:join", signalled, { signal: controller.signal });
    speaker.join(1);
    controller.abort();
    speaker.join(2);
    expect(once).toHaveBeenCalledTimes(1);
    expect(signalled).toHaveBeenCalledTimes(1);
  });

  it("an event of the application's own can be dispatched, and its listeners are contained too", () => {
    const speaker = new Speaker();
    const id = NodeId.fromHex("00");
    const listener = (): void => {
      throw id;
    };
    speaker.addEventListener("app:thing", listener);
    expect(speaker.dispatchEvent(new Event("app:thing"))).toBe(true);
    expect(speaker.reports).toEqual([{ error: expect.any(CallbackError), type: "app:thing" }]);
    speaker.removeEventListener("app:thing", listener);
    speaker.dispatchEvent(new Event("app:thing"));
    expect(speaker.reports).toHaveLength(1);
  });
});
