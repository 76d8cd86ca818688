/** Where the cases for transports play: two or more of them, whose borrowed buffers are overwritten after every call. */
import {
  type Address,
  type AddressKind,
  AddressTable,
  addressKinds,
  copyBytes,
  type Path,
  type PolledTransport,
  type SendFailure,
  type SendOutcome,
  type Transport,
  type TransportSink,
} from "@kad/core";
import { type RunLoop, runPatiently, runtimeNowMs, shortPause } from "../../event-loop.ts";
import { ExpectationError, nth } from "../../expectations.ts";
import { poisonByte } from "../../poison.ts";
import type { CaseStage, SuiteCase, SuiteOptions } from "../../suite.ts";

/** Somebody who accepts what is sent to it, and never reads. */
export interface StalledListener {
  readonly url: string;
  close(): void | Promise<void>;
}

/** One world for one case, in which transports reach each other. */
export interface TransportHarness {
  /** What is under test: a new one, not yet open, that listens where others in this process can reach it. */
  transport(): Transport;
  /** Whom it talks to; by default another one of the same. */
  readonly peer?: () => Transport;
  /** One that listens at this very URL. Absent: the cases about addresses in use are skipped. */
  readonly transportAt?: (url: string) => Transport;
  /** For streams. Absent: the case about slow receivers is skipped. */
  readonly stalled?: () => StalledListener | Promise<StalledListener>;
  /** How many sockets and other handles are open. Absent: that case is skipped. */
  readonly openHandles?: () => number | Promise<number>;
  /** By default the event loop of this program goes on, and the sockets of polled transports are polled. */
  readonly run?: RunLoop;
  /** Called at the end of a case, when its transports are closed. */
  readonly close?: () => void | Promise<void>;
}

/** A fresh world; called once for each case, and once when the cases are registered. */
export type MakeTransport = () => TransportHarness;

export interface TransportSuiteOptions extends SuiteOptions {
  /**
   * `datagrams` may be lost, doubled and reordered, and know no connection. `streams` are dialled; a message arrives once
   * and in its order, or its failure is told. By default `datagrams` for udp, else `streams`.
   */
  readonly carries?: "datagrams" | "streams";
  /** Whether messages of one sender arrive in their order; by default those of streams do. */
  readonly isOrdered?: boolean;
}

export interface TransportTraits {
  readonly carries: "datagrams" | "streams";
  readonly isOrdered: boolean;
  /** Whether it has descriptors that a loop can wait for (`PolledTransport`). */
  readonly isPolled: boolean;
  readonly maxBytes: number;
  readonly hasTransportAt: boolean;
  readonly hasStalled: boolean;
  readonly countsHandles: boolean;
}

export type TransportCase = SuiteCase<TransportStage, TransportTraits>;

export function transportTraitsOf(make: MakeTransport, options: TransportSuiteOptions): TransportTraits {
  const harness = make();
  const transport = harness.transport();
  const { carries = transport.kinds.every((kind) => kind.startsWith("udp")) ? "datagrams" : "streams" } =
    options;
  void harness.close?.();
  return {
    carries,
    isOrdered: options.isOrdered ?? carries === "streams",
    isPolled: isPolled(transport),
    maxBytes: transport.maxBytes,
    hasTransportAt: harness.transportAt !== undefined,
    hasStalled: harness.stalled !== undefined,
    countsHandles: harness.openHandles !== undefined,
  };
}

export function isPolled(transport: Transport): transport is PolledTransport {
  return "sockets" in transport;
}

export interface Arrived {
  readonly from: Path;
  readonly bytes: Uint8Array;
  readonly isPlain: boolean;
}

export interface Failed {
  readonly to: string;
  readonly tag: number | undefined;
  readonly reason: SendFailure;
}

/** An open transport, and all that it has told. */
export class Endpoint implements TransportSink {
  readonly transport: Transport;
  readonly addresses: AddressTable;
  readonly messages: Arrived[] = [];
  readonly deferredTags: number[] = [];
  readonly sentTags: number[] = [];
  readonly failures: Failed[] = [];
  readonly flows: { readonly kind: AddressKind; readonly open: boolean }[] = [];
  readonly reports: unknown[] = [];
  #scratch = new Uint8Array(0);

  constructor(transport: Transport) {
    this.transport = transport;
    this.addresses = new AddressTable();
    for (const kind of transport.kinds) {
      const link = addressKinds.indexOf(kind) + 1;
      this.addresses.setLink(kind, { link, maxBytes: transport.maxBytes });
    }
  }

  /** Where it listens. */
  get url(): string {
    return nth(this.transport.localAddresses, 0).key;
  }

  /** Everything that it has heard or told, counted. */
  get told(): number {
    const lists = [this.messages, this.deferredTags, this.sentTags, this.failures, this.flows, this.reports];
    return lists.reduce((sum, { length }) => sum + length, 0);
  }

  /** Sends from a scratch that is overwritten before anything else happens; does not flush. */
  send(to: string | Path, bytes: Uint8Array, tag = 0): SendOutcome {
    if (this.#scratch.length < bytes.length) this.#scratch = new Uint8Array(bytes.length);
    const borrowed = this.#scratch.subarray(0, bytes.length);
    borrowed.set(bytes);
    const path = typeof to === "string" ? { remote: this.addresses.parse(to), dialable: true } : to;
    const outcome = this.transport.send({ path, peer: undefined, length: bytes.length, tag }, borrowed);
    borrowed.fill(poisonByte);
    return outcome;
  }

  /** Sends and flushes. */
  say(to: string | Path, bytes: Uint8Array, tag = 0): SendOutcome {
    const outcome = this.send(to, bytes, tag);
    this.transport.flush();
    return outcome;
  }

  /** The first bytes of what has arrived, in its order. */
  get firstBytes(): number[] {
    return this.messages.map(({ bytes }) => nth(bytes, 0));
  }

  message(from: Path, bytes: Uint8Array): void {
    const isPlain = Object.getPrototypeOf(bytes) === Uint8Array.prototype;
    this.messages.push({ from, bytes: copyBytes(bytes), isPlain });
    bytes.fill(poisonByte);
  }
  deferred(tag: number): void {
    this.deferredTags.push(tag);
  }
  sent(tag: number): void {
    this.sentTags.push(tag);
  }
  sendFailed(to: Address, tag: number | undefined, reason: SendFailure): void {
    this.failures.push({ to: to.key, tag, reason });
  }
  flow(kind: AddressKind, open: boolean): void {
    this.flows.push({ kind, open });
  }
  addressesChanged(): void {}
  report(error: unknown): void {
    this.reports.push(error);
  }
}

const defaultPatienceMs = 4_000;
/** What one turn reads from one socket. */
const readAtOnce = 64;

export class TransportStage implements CaseStage {
  readonly harness: TransportHarness;
  readonly traits: TransportTraits;
  readonly #options: TransportSuiteOptions;
  readonly #open = new Set<Endpoint>();
  readonly #stalled: StalledListener[] = [];

  constructor(make: MakeTransport, options: TransportSuiteOptions) {
    this.harness = make();
    this.traits = transportTraitsOf(make, options);
    this.#options = options;
  }

  /** Opens what is under test. */
  endpoint(): Promise<Endpoint> {
    return this.open(this.harness.transport());
  }

  /** Opens whom it talks to. */
  peer(): Promise<Endpoint> {
    return this.open(this.harness.peer?.() ?? this.harness.transport());
  }

  async open(transport: Transport): Promise<Endpoint> {
    const endpoint = new Endpoint(transport);
    await transport.open(endpoint, endpoint.addresses);
    this.#open.add(endpoint);
    return endpoint;
  }

  async shut(endpoint: Endpoint): Promise<void> {
    this.#open.delete(endpoint);
    await endpoint.transport.close();
  }

  async stalled(): Promise<StalledListener> {
    if (this.harness.stalled === undefined) throw new Error("the harness has no `stalled`");
    const listener = await this.harness.stalled();
    this.#stalled.push(listener);
    return listener;
  }

  /** Two that talk to each other. */
  async two(): Promise<[Endpoint, Endpoint]> {
    return [await this.endpoint(), await this.peer()];
  }

  /** A URL at which nobody listens any more. */
  async deadUrl(): Promise<string> {
    const gone = await this.peer();
    const { url } = gone;
    await this.shut(gone);
    return url;
  }

  /** Lets the world go on until it is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const patienceMs = this.#options.patienceMs ?? defaultPatienceMs;
    await runPatiently((isDone, forMs) => this.#run(isDone, forMs), isSo, patienceMs);
    if (!isSo()) throw new ExpectationError(`waited ${patienceMs} ms for this to happen: ${what}`);
  }

  /** Lets the world go on for so long. */
  async pass(forMs: number): Promise<void> {
    await this.#run(() => false, forMs);
  }

  async close(): Promise<void> {
    for (const endpoint of this.#open) await endpoint.transport.close();
    for (const listener of this.#stalled) await listener.close();
    await this.harness.close?.();
  }

  #run(isDone: () => boolean, forMs: number): void | Promise<void> {
    if (this.harness.run !== undefined) return this.harness.run(isDone, forMs);
    const endMs = runtimeNowMs() + forMs;
    const isOver = (): boolean => isDone() || runtimeNowMs() >= endMs;
    const endpoints = [...this.#open];
    if (endpoints.length === 0 || endpoints.some(({ transport }) => !isPolled(transport))) {
      return this.#runWithPauses(isOver);
    }
    while (!isOver()) this.#pollAll(); // nothing of the runtime goes on meanwhile: they may not need it
  }

  async #runWithPauses(isOver: () => boolean): Promise<void> {
    for (; !isOver(); await shortPause()) this.#pollAll();
  }

  #pollAll(): void {
    for (const { transport } of this.#open) {
      if (!isPolled(transport)) continue;
      for (const socket of transport.sockets) {
        if (socket.wantsWrite) socket.writable();
        socket.receive(readAtOnce);
      }
    }
  }
}

/** Bytes that tell which message they are, and at which place each of them stood. */
export function patterned(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i === 0 ? number : number * 31 + i * 7;
  return bytes;
}
