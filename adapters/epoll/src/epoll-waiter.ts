/**
 * One epoll set that holds every socket, a timerfd and an eventfd (epoll(7), timerfd_create(2), eventfd(2)).
 *
 * Level-triggered, since a budget may leave bytes behind: so the set stays readable for as long as anything is left to
 * do, and can itself be watched by another loop. Entries carry a number of their own instead of the descriptor's, so that what is
 * said of a descriptor that was closed meanwhile concerns nobody.
 */
import { type InstantMs, type PolledSocket, SocketWatches } from "@kad/core";
import type { NativeBlock } from "@kad/native";
import { closeOnExec, type EpollCalls, eIntr, epollCalls, nonBlocking } from "./system-calls.ts";
import { type Readiness, ReadyList, type Waiter } from "./waiter.ts";

/** Told in one call; what is ready beyond that is told in the next. */
const maxEvents = 64;
const timerTicket = 1;
const bellTicket = 2;
const firstSocketTicket = 3;

const clockMonotonic = 1;
const [add, remove, modify] = [1, 2, 3] as const;
const [readable, writable, failed, hungUp] = [0x1, 0x4, 0x8, 0x10] as const;

/** `struct epoll_event` is packed on x86-64 alone. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const ticketAt = process.arch === "x64" ? 4 : 8;

// In the block of memory: one event for epoll_ctl, the timer's two timespecs, 8 bytes to read and write, events.
const timerAt = 16;
const counterAt = 48;
const eventsAt = 56;

export class EpollWaiter implements Waiter {
  readonly fd: number;
  readonly bellFd: number;
  readonly #timerFd: number;
  readonly #calls: EpollCalls;
  readonly #nowMs: () => InstantMs;
  readonly #block: NativeBlock;
  readonly #sockets = new Map<number, PolledSocket>();
  readonly #watches: SocketWatches<number>;
  readonly #ready = new ReadyList();
  #nextTicket = firstSocketTicket;
  #isRung = false;
  #isClosed = false;

  /** @throws UnavailableError; SystemError where the system has no descriptor left. Nothing stays open then */
  constructor(nowMs: () => InstantMs) {
    const calls = epollCalls();
    this.#calls = calls;
    this.#nowMs = nowMs;
    this.#block = calls.native.allocate(eventsAt + maxEvents * eventBytes, "an epoll set");
    const opened: number[] = [];
    const open = (call: string, fd: number): number => {
      opened.push(calls.native.checked(call, fd));
      return fd;
    };
    try {
      this.fd = open("epoll_create1", calls.epollCreate1(closeOnExec));
      this.#timerFd = open("timerfd_create", calls.timerfdCreate(clockMonotonic, nonBlocking | closeOnExec));
      this.bellFd = open("eventfd", calls.eventfd(0, nonBlocking | closeOnExec));
      calls.native.checked("epoll_ctl", this.#control(add, this.#timerFd, readable, timerTicket));
      calls.native.checked("epoll_ctl", this.#control(add, this.bellFd, readable, bellTicket));
    } catch (error) {
      for (const fd of opened) calls.close(fd);
      this.#block.release();
      throw error;
    }
    this.#watches = new SocketWatches({
      add: (socket, wantsWrite) => this.#add(socket, wantsWrite),
      change: (ticket, socket, wantsWrite) => this.#change(ticket, socket, wantsWrite),
      remove: (ticket, { fd }) => this.#remove(ticket, fd),
    });
  }

  watch(sockets: readonly PolledSocket[]): void {
    if (!this.#isClosed) this.#watches.update(sockets);
  }

  setTimer(atMs: InstantMs): void {
    if (this.#isClosed) return;
    const delayMs = Math.max(0, atMs - this.#nowMs());
    const seconds = Math.floor(delayMs / 1_000);
    const nanoseconds = Math.ceil((delayMs - seconds * 1_000) * 1e6);
    const { u32, address } = this.#block;
    u32.fill(0, timerAt / 4, timerAt / 4 + 8);
    u32[timerAt / 4 + 4] = seconds + (nanoseconds === 1e9 ? 1 : 0);
    u32[timerAt / 4 + 6] = nanoseconds === 1e9 ? 0 : nanoseconds;
    if (delayMs === 0) u32[timerAt / 4 + 6] = 1; // a value of zero stops a timerfd
    this.#checked("timerfd_settime", this.#calls.timerfdSettime(this.#timerFd, 0, address + timerAt, 0));
  }

  ring(): void {
    if (this.#isClosed || this.#isRung) return;
    this.#isRung = true;
    this.#block.setPointer(counterAt, 1);
    this.#checked("write", this.#calls.write(this.bellFd, this.#block.address + counterAt, 8));
  }

  wait(timeoutMs: number | undefined): Readiness {
    const ready = this.#ready;
    ready.clear();
    if (this.#isClosed) return ready;
    const { address } = this.#block;
    const count = this.#calls.epollWait(this.fd, address + eventsAt, maxEvents, timeoutMs ?? -1);
    if (count < 0) ready.interrupted = this.#isInterrupted();
    for (let i = 0; i < count; i++) this.#take(eventsAt + i * eventBytes);
    return ready;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of [this.fd, this.#timerFd, this.bellFd]) this.#calls.close(fd);
    this.#sockets.clear();
    this.#block.release();
  }

  #take(at: number): void {
    const ready = this.#ready;
    const { u32 } = this.#block;
    const events = u32[at / 4] as number;
    const ticket = u32[(at + ticketAt) / 4] as number;
    if (ticket === timerTicket) ready.timerFired = this.#drain(this.#timerFd);
    else if (ticket === bellTicket) {
      this.#isRung = false;
      ready.rung = this.#drain(this.bellFd);
    } else {
      const socket = this.#sockets.get(ticket);
      if (socket === undefined) return;
      if ((events & writable) !== 0) ready.writable.push(socket);
      if ((events & (readable | failed | hungUp)) !== 0) ready.readable.push(socket);
    }
  }

  /** Reads the counter, so that the descriptor is not readable any more. `false`: set anew meanwhile. */
  #drain(fd: number): boolean {
    return this.#calls.read(fd, this.#block.address + counterAt, 8) === 8;
  }

  #isInterrupted(): boolean {
    const error = this.#calls.native.lastError("epoll_wait");
    if (error.errno !== eIntr) throw error;
    return true;
  }

  #add(socket: PolledSocket, wantsWrite: boolean): number {
    const ticket = this.#nextTicket;
    this.#nextTicket = ticket === 0xffff_ffff ? firstSocketTicket : ticket + 1;
    this.#checked("epoll_ctl", this.#control(add, socket.fd, interest(wantsWrite), ticket));
    this.#sockets.set(ticket, socket);
    return ticket;
  }

  #change(ticket: number, socket: PolledSocket, wantsWrite: boolean): void {
    const result = this.#control(modify, socket.fd, interest(wantsWrite), ticket);
    if (result < 0) socket.receive(1); // somebody has closed it: lets the transport notice
  }

  /** A descriptor that was closed has left the set by itself, and its number may be one that another part watches. */
  #remove(ticket: number, fd: number): void {
    if (this.#sockets.delete(ticket)) this.#calls.epollCtl(this.fd, remove, fd, 0);
  }

  #control(operation: number, fd: number, events: number, ticket: number): number {
    const { u32, address } = this.#block;
    u32[0] = events;
    u32[ticketAt / 4] = ticket;
    u32[ticketAt / 4 + 1] = 0;
    return this.#calls.epollCtl(this.fd, operation, fd, address);
  }

  #checked(call: string, result: number): void {
    this.#calls.native.checked(call, result);
  }
}

function interest(wantsWrite: boolean): number {
  return wantsWrite ? readable | writable : readable;
}

/**
 * Adds a descriptor to a set of the caller's, or takes it out.
 * @throws SystemError: `EBADF` where one of them is none, `EEXIST` where it is there already, `ELOOP` for sets within each other
 */
export function addToSet(set: number, fd: number, data: number): () => void {
  const { native, epollCtl } = epollCalls();
  const event = native.allocate(16, "an entry of an epoll set");
  event.u32[0] = readable;
  event.u32[ticketAt / 4] = data;
  const result = epollCtl(set, add, fd, event.address);
  event.release();
  native.checked("epoll_ctl", result);
  return () => void epollCtl(set, remove, fd, 0);
}
