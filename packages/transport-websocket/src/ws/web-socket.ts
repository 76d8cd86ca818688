/** The backend on the `ws` package: servers and clients, on any Node. */
import { checkOptions, type WebSocketOptions } from "../options.ts";
import { WebSocketTransport } from "../web-socket-transport.ts";
import { dialWithWs } from "./ws-client.ts";
import { listenWithWs } from "./ws-server.ts";

/** @throws UsageError `invalidAddress` or `invalidOption` that names the option, the value and what is allowed */
export function webSocket(options: WebSocketOptions = {}): WebSocketTransport {
  return new WebSocketTransport(checkOptions(options), { dial: dialWithWs, listen: listenWithWs });
}
