import type { HostChange } from "../observer.ts";
import type { Packet } from "../packet.ts";
import type { SimHost } from "../sim-host.ts";
import type { InstantUs } from "../virtual-time.ts";
import { type Checker, CheckFailed } from "./checker.ts";

/** QUIC's rule, RFC 9000 §8.1. */
const factor = 3;

/** To an address that may be forged, no honest host ever answers with more than three times what came from there. */
export class AmplificationChecker implements Checker {
  readonly rule = "no address is answered with more than three times the bytes that came from it";
  /** By host and address: bytes that may still be sent there in answers. */
  readonly #credit = new Map<SimHost, Map<string, number>>();

  onHost(_nowUs: InstantUs, host: SimHost, change: HostChange): void {
    if (change === "started") this.#credit.set(host, new Map());
  }

  onDelivery(_nowUs: InstantUs, { target, source, bytes }: Packet): void {
    if (target !== undefined) this.#add(target.host, source.remote.key, factor * bytes.length);
  }

  onSend(_nowUs: InstantUs, { from, to, bytes, message }: Packet): void {
    const { host } = from;
    if (!host.isHonest || message.kind === "request") return;
    const left = this.#add(host, to.key, -bytes.length);
    if (left < 0) throw new CheckFailed(this.rule, host, `has sent ${-left} bytes more to ${to.key}`);
  }

  #add(host: SimHost, address: string, bytes: number): number {
    const credit = this.#credit.get(host);
    const left = (credit?.get(address) ?? 0) + bytes;
    credit?.set(address, left);
    return left;
  }
}
