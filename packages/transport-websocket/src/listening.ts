/** What both servers know of addresses: where others reach them, and who has connected. */
import { networkInterfaces } from "node:os";
import type { AddressTable, SocketAddress } from "@kad/core";
import { pathOf } from "./options.ts";

/**
 * Where others reach a server: the address it is bound to; where that is every address, those of the interfaces, without
 * loopback and link-local ones, which mean nothing elsewhere.
 */
export function dialableAddresses(
  listen: SocketAddress,
  port: number,
  addresses: AddressTable,
): readonly SocketAddress[] {
  const isIpv6 = listen.family === 6;
  const isUnspecified = listen.host === "0.0.0.0" || listen.host === "::";
  const hosts = isUnspecified ? interfaceHosts(isIpv6) : [listen.host];
  const path = pathOf(listen);
  return hosts.map((host) =>
    addresses.parse(`${listen.scheme}://${isIpv6 ? `[${host}]` : host}:${port}${path === "/" ? "" : path}`),
  );
}

function interfaceHosts(isIpv6: boolean): readonly string[] {
  const family = isIpv6 ? "IPv6" : "IPv4";
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => entry.family === family && !entry.internal)
    .map(({ address }) => address)
    .filter((address) => !/^(fe[89ab]|169\.254\.)/i.test(address));
}

/** The address of a socket's other end, which nobody can dial; `undefined` for one that a message could not name. */
export function remoteAddress(
  addresses: AddressTable,
  scheme: "ws" | "wss",
  host: string,
  port: number,
): SocketAddress | undefined {
  const known = addresses.fromSocket(host.includes(":") ? "tcp6" : "tcp4", host, port);
  if (known === undefined) return undefined;
  return addresses.parse(`${scheme}://${known.family === 6 ? `[${known.host}]` : known.host}:${port}`);
}

/**
 * The host that a connection through a proxy of ours comes from, as that proxy has written it; those in front of it are what
 * others claim.
 */
export function forwardedHost(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === "object" ? header.join(",") : header;
  const host = text?.split(",").at(-1)?.trim();
  if (host === undefined || host === "") return undefined;
  return /^\[(.+)\](?::\d+)?$/.exec(host)?.[1] ?? /^([\d.]+):\d+$/.exec(host)?.[1] ?? host;
}

/** Whether a page from there may connect; who sends no origin is no page. */
export function isAllowedOrigin(origins: readonly string[] | undefined, origin: string | undefined): boolean {
  return (
    origins === undefined || origin === undefined || origin === "" || origins.includes(origin.toLowerCase())
  );
}
