/** What the operating system's error codes mean to a transport. */
import { type CloseReason, systemCodeOf } from "@kad/core";

/** Want of something on this host: no fault of the peer's, and no reason to leave it alone. */
const shortages: ReadonlySet<string | undefined> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAGAIN",
]);

/** Why a dial has come to nothing, or an open connection has broken. */
export function closeReasonOf(error: Error, isDialling: boolean): CloseReason {
  if (!isDialling) return "reset";
  const code = systemCodeOf(error);
  if (shortages.has(code)) return "noResources";
  return code === "ETIMEDOUT" ? "timedOut" : "unreachable";
}

/** Whether the host has no descriptor left, or no memory for another connection. */
export function isShortage(error: Error): boolean {
  return shortages.has(systemCodeOf(error));
}
