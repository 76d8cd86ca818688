/** What the operating system's error codes mean to a node. */
import { ListenError, type ListenErrorCode, type SendFailure } from "@kad/core";

const sendFailures: ReadonlyMap<string, SendFailure> = new Map<string, SendFailure>([
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

/** `closed` for what is not known: it is no fault of the peer's, and so counts against nobody. */
export function sendFailureOf(error: Error): SendFailure {
  return sendFailures.get(codeOf(error)) ?? "closed";
}

const listenErrors: ReadonlyMap<string, ListenErrorCode> = new Map<string, ListenErrorCode>([
  ["EADDRINUSE", "addressInUse"],
  ["EADDRNOTAVAIL", "addressNotAvailable"],
  ["EAFNOSUPPORT", "addressNotAvailable"], // no IPv6 on this host
  ["EACCES", "notPermitted"],
  ["EPERM", "notPermitted"],
]);

export function listenErrorOf(url: string, error: Error): ListenError {
  return new ListenError(listenErrors.get(codeOf(error)) ?? "listenFailed", url, error);
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}
