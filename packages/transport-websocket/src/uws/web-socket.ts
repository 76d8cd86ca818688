/** The backend on uWebSockets.js: a server. Dialling goes through the client of `ws`. */
import { checkOptions, type WebSocketOptions } from "../options.ts";
import { WebSocketTransport } from "../web-socket-transport.ts";
import { dialWithWs } from "../ws/ws-client.ts";
import { listenWithWs } from "../ws/ws-server.ts";
import { loadUws, type Uws } from "./load-uws.ts";
import { listenWithUws } from "./uws-server.ts";

/**
 * Listens with uWebSockets.js where that runs, else with `ws`, and says so in a warning of the process. `open` rejects with
 * UsageError `invalidOption`, which says how to add it, where the package is missing.
 * @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed
 */
export function webSocket(options: WebSocketOptions = {}): WebSocketTransport {
  return webSocketWith(loadUws, options);
}

/** @internal */
export function webSocketWith(
  load: () => Promise<Uws | undefined>,
  options: WebSocketOptions,
): WebSocketTransport {
  return new WebSocketTransport(checkOptions(options), {
    dial: dialWithWs,
    async listen(owner, address) {
      const uws = await load();
      return await (uws === undefined ? listenWithWs(owner, address) : listenWithUws(uws, owner, address));
    },
  });
}
