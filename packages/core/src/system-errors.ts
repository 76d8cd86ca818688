/**
 * What the operating system's error codes mean to a node: for transports, which all meet the same ones.
 */
import { ListenError, type ListenErrorCode } from "./errors.ts";
import type { SendFailure } from "./machine.ts";

const listenErrors: ReadonlyMap<string | undefined, ListenErrorCode> = new Map<string, ListenErrorCode>([
  ["EADDRINUSE", "addressInUse"],
  ["EADDRNOTAVAIL", "addressNotAvailable"],
  ["EAFNOSUPPORT", "addressNotAvailable"], // no IPv6 on this host
  ["EACCES", "notPermitted"],
  ["EPERM", "notPermitted"],
]);

const sendFailures: ReadonlyMap<string | undefined, SendFailure> = new Map<string, SendFailure>([
  ["EMSGSIZE", "tooLarge"],
  ["ENETUNREACH", "unreachable"],
  ["EHOSTUNREACH", "unreachable"],
  ["ECONNREFUSED", "unreachable"],
  ["ENETDOWN", "unreachable"],
  ["EHOSTDOWN", "unreachable"],
  ["EACCES", "unreachable"], // a broadcast address
  ["EPERM", "unreachable"], // a packet filter on this host drops it
  ["EINVAL", "unreachable"], // from a loopback socket to the outside
  ["EADDRNOTAVAIL", "unreachable"],
  ["ENOBUFS", "queueFull"],
  ["ENOMEM", "queueFull"],
  ["EAGAIN", "queueFull"],
]);

/** The code in an error of the system, such as `"EADDRINUSE"`; `undefined` where it has none. */
export function systemCodeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Why a transport could not listen at `url`. @param error what the system said; it becomes the cause */
export function listenErrorOf(url: string, error: unknown): ListenError {
  return new ListenError(listenErrors.get(systemCodeOf(error)) ?? "listenFailed", url, error);
}

/**
 * Why a datagram was not sent; `closed` for what is not known: it is no fault of the peer's, and so counts against nobody.
 * @param code such as `"EMSGSIZE"`
 */
export function sendFailureOf(code: string | undefined): SendFailure {
  return sendFailures.get(code) ?? "closed";
}
