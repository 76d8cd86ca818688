/** The network of the made-up libuv: who is bound where, and what is under way to them. */
import type { MemoryUdp } from "./memory-handle.ts";

const firstEphemeralPort = 49_152;
/** Datagrams that wait to be read; more are lost, as in a kernel's buffer. */
const maxInbox = 256;

export class MemoryNetwork {
  readonly #bound = new Map<string, MemoryUdp>();
  readonly #onReady: (udp: MemoryUdp) => void;
  #nextPort = firstEphemeralPort;
  #isSendable = true;

  /** `onReady`: this one has something to read, or may send what it has queued. */
  constructor(onReady: (udp: MemoryUdp) => void) {
    this.#onReady = onReady;
  }

  get isSendable(): boolean {
    return this.#isSendable;
  }

  setSendable(isSendable: boolean): void {
    this.#isSendable = isSendable;
    if (!isSendable) return;
    for (const udp of this.#bound.values()) if (udp.sends.length > 0) this.#onReady(udp);
  }

  /** `false`: somebody else has that address. Port 0 is any that is free. */
  bind(udp: MemoryUdp, address: Uint8Array): boolean {
    const local = Uint8Array.from(address.subarray(0, lengthOf(address)));
    if (portOf(local) === 0) setPort(local, this.#nextPort++);
    if (this.#bound.has(keyOf(local))) return false;
    udp.local = local;
    this.#bound.set(keyOf(local), udp);
    return true;
  }

  leave({ local }: MemoryUdp): void {
    if (local !== undefined) this.#bound.delete(keyOf(local));
  }

  /** Whoever is not there hears nothing, and the sender does not learn of it. */
  carry(udp: MemoryUdp, bytes: Uint8Array, to: Uint8Array): void {
    if (udp.local === undefined) this.bind(udp, anyAddress(to));
    const receiver = this.#bound.get(keyOf(to));
    if (receiver === undefined || udp.local === undefined || receiver.inbox.length >= maxInbox) return;
    const from = new Uint8Array(32);
    from.set(udp.local);
    receiver.inbox.push({ from, bytes: Uint8Array.from(bytes) });
    if (receiver.onReceive !== undefined) this.#onReady(receiver);
  }
}

// A sockaddr: family, then the port, and the address at 4 or 8.

const ipv6Family = 10;

function lengthOf(address: Uint8Array): number {
  return address[0] === ipv6Family ? 28 : 16;
}

export function portOf(address: Uint8Array): number {
  return ((address[2] as number) << 8) | (address[3] as number);
}

function setPort(address: Uint8Array, port: number): void {
  address[2] = port >> 8;
  address[3] = port & 0xff;
}

function keyOf(address: Uint8Array): string {
  return address.subarray(0, lengthOf(address)).join();
}

function anyAddress(like: Uint8Array): Uint8Array {
  const address = new Uint8Array(lengthOf(like));
  address[0] = like[0] as number;
  return address;
}
