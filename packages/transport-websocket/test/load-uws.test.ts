import { afterEach, describe, expect, it, vi } from "vitest";
import { webSocket } from "../src/index.ts";
import { loadUws } from "../src/uws/load-uws.ts";
import { webSocketWith } from "../src/uws/web-socket.ts";
import { closeOpened, endpointOf, heard, numbered, open } from "./endpoint.ts";
import { uwsRuns } from "./uws.ts";

afterEach(closeOpened);

const missing = () =>
  Promise.reject(
    Object.assign(new Error("Cannot find package 'uWebSockets.js' imported from web-socket.js"), {
      code: "ERR_MODULE_NOT_FOUND",
    }),
  );
const withoutBinary = () =>
  Promise.reject(new Error("This version of uWS.js supports only Node.js 22\n\nmore"));

/** Warnings of the process, while something runs; kept from its output. */
async function warningsOf(run: () => Promise<unknown>): Promise<unknown[]> {
  const emit = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
  await run();
  const warnings = emit.mock.calls.map(([warning]) => warning);
  emit.mockRestore();
  return warnings;
}

describe("uWebSockets.js", () => {
  it.runIf(uwsRuns)("that is installed and runs is taken", async () => {
    expect(await loadUws()).toMatchObject({ App: expect.any(Function) });
  });

  it("that is not installed makes listening fail with how to add it; dialling works", async () => {
    const listening = endpointOf(webSocketWith(() => loadUws(missing), { listen: "ws://127.0.0.1:0" }));
    const error = await listening.transport
      .open(listening.sink, listening.addresses)
      ?.catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "invalidOption",
      message: expect.stringContaining("npm install uWebSockets.js@npm:uws-pack@"),
    });
    const server = await open(webSocket({ listen: "ws://127.0.0.1:0" }));
    const client = await open(webSocketWith(() => loadUws(missing), {}));
    client.send(server.url, numbered(1));
    await heard(server);
  });

  it("that has no binary for this Node is replaced by ws, with a warning", async () => {
    const server = webSocketWith(() => loadUws(withoutBinary), { listen: "ws://127.0.0.1:0" });
    const [warning] = await warningsOf(() => open(server));
    expect(warning).toBe(
      "uWebSockets.js does not run here, so the server is that of ws: This version of uWS.js supports only Node.js 22",
    );
    const client = await open(webSocket());
    client.send(server.localAddresses[0]?.key ?? "", numbered(2));
    await client.sink.until(() => client.sink.sents.length > 0);
    expect(server.stats?.accepted.used).toBe(1);
  });

  it("that fails with anything is replaced too", async () => {
    const [warning] = await warningsOf(() => loadUws(() => Promise.reject("odd")));
    expect(warning).toContain("odd");
  });
});
