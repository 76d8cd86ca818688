/**
 * The plug that applications see: discovery, pub/sub and chat are plugins.
 *
 * Callbacks run between transitions, never inside one: they may call anything, `close` included. One that throws or
 * rejects reaches its own `onError`, then the host's `report`; no event is lost and no state is torn.
 */
import type { Commands } from "./commands.ts";
import type { Contact } from "./contact.ts";
import type { KadError } from "./errors.ts";
import type { ApplicationMessage, PluginTimer, QueryFinished, RequestTimeout, TimerId } from "./events.ts";
import type { InstantMs } from "./machine.ts";

/** A command without its instant: the driver reads the clock once and pumps afterwards. */
export type Timeless<F> = F extends (nowMs: InstantMs, ...rest: infer R) => infer T
  ? (...rest: R) => T
  : never;

/**
 * What a plugin reaches the node through: an object whose methods are called on it. Valid until the plugin is removed;
 * later calls throw `UsageError` `closed`.
 */
export type PluginContext = {
  readonly [K in
    | "bootstrap"
    | "ping"
    | "findNode"
    | "get"
    | "put"
    | "announce"
    | "withdraw"
    | "findProviders"
    | "send"
    | "reply"
    | "cancel"
    | "addContact"]: Timeless<Commands[K]>;
} & {
  readonly id: Commands["id"];
  readonly table: Commands["table"];
  stats: Commands["stats"];
  /** `onTimeout` is called with the id after `delayMs`. */
  setTimer(delayMs: number): TimerId;
  clearTimer(timer: TimerId): boolean;
  /** The instant of this turn, in milliseconds on the host's monotonic clock. */
  nowMs(): InstantMs;
};

export interface Plugin {
  /** 1 to 64 printable ASCII characters. Application messages with this name reach `onMessage`. */
  readonly protocol?: string;
  /** Called once, by `use`. */
  onAttach?(node: PluginContext): void;
  /**
   * Answer with `reply`, here or before the returned promise settles; a message that is then unanswered is acknowledged
   * with an empty reply. Return `"later"` to answer afterwards, within `replyTokenLifetimeMs`.
   */
  onMessage?(message: ApplicationMessage): void | "later" | Promise<void> | Promise<"later" | undefined>;
  /** A request of the node that expired, or a timer that this plugin set. */
  onTimeout?(timeout: RequestTimeout | PluginTimer): void | Promise<void>;
  /** It answered us, or has proven itself in a handshake: never on hearsay. */
  onNodeDiscovered?(contact: Contact): void | Promise<void>;
  onQueryFinished?(end: QueryFinished): void | Promise<void>;
  /** Errors of this plugin's own callbacks, and of the node's hooks. */
  onError?(error: KadError): void | Promise<void>;
}
