/**
 * The contacts of a bucket, or of its replacement cache, least recently seen first, with what the table knows of each.
 *
 * Kept in columns: for each contact a place in one array of contacts, in one of prefixes, and three in one of numbers.
 * That is 40 bytes, where an object for each with its times in boxes takes 130, and `closest` reads the prefixes of a
 * bucket one after another. The columns grow and shrink with the list, by four places at a time.
 */
import type { Contact } from "./contact.ts";
import type { InstantMs } from "./machine.ts";
import type { NodeId } from "./node-id.ts";

/** What the table knows of a contact: a copy, as it was when it was asked for. */
export interface TableEntry {
  readonly contact: Contact;
  /** When it last answered; earlier than that after `markAllStale`. */
  readonly lastSeenMs: InstantMs;
  /** Unanswered requests since it last answered. */
  readonly failures: number;
  /** No walk of ours has reached it yet. */
  readonly incomingOnly: boolean;
  /** When it first answered, time in the replacement cache included. */
  readonly addedAtMs: InstantMs;
}

const step = 4;
/** In the column of numbers. */
const numbersEach = 3;
const lastSeen = 0;
const addedAt = 1;
/** Failures, twice, and one more where `incomingOnly`. */
const record = 2;

const nothing: never[] = [];

export class ContactList {
  #length = 0;
  #contacts: Contact[] = nothing;
  /** {@link NodeId.prefixBits} of each. */
  #prefixes: number[] = nothing;
  #numbers: number[] = nothing;

  get length(): number {
    return this.#length;
  }

  /** Places that the columns have, in use or not. */
  get capacity(): number {
    return this.#contacts.length;
  }

  /** The columns themselves, to read up to `length` of each. */
  get contacts(): readonly Contact[] {
    return this.#contacts;
  }

  get prefixes(): readonly number[] {
    return this.#prefixes;
  }

  /** A copy. */
  toArray(): Contact[] {
    // slice: #contacts is an array
    return this.#contacts.slice(0, this.#length);
  }

  indexOf(id: NodeId): number | undefined {
    const prefixes = this.#prefixes;
    const prefix = id.prefixBits;
    for (let i = 0; i < this.#length; i++) {
      if (prefixes[i] === prefix && (this.#contacts[i] as Contact).id.key === id.key) return i;
    }
    return undefined;
  }

  contactAt(index: number): Contact {
    return this.#contacts[index] as Contact;
  }

  lastSeenMsAt(index: number): InstantMs {
    return this.#number(index, lastSeen);
  }

  /** Unanswered requests since it last answered. */
  failuresAt(index: number): number {
    return this.#number(index, record) >> 1;
  }

  isIncomingOnly(index: number): boolean {
    return (this.#number(index, record) & 1) !== 0;
  }

  entryAt(index: number): TableEntry {
    return {
      contact: this.contactAt(index),
      lastSeenMs: this.lastSeenMsAt(index),
      failures: this.failuresAt(index),
      incomingOnly: this.isIncomingOnly(index),
      addedAtMs: this.#number(index, addedAt),
    };
  }

  /** Takes a contact in behind all that were seen no later. */
  insert({ contact, lastSeenMs, failures, incomingOnly, addedAtMs }: TableEntry): void {
    let at = this.#length;
    while (at > 0 && this.lastSeenMsAt(at - 1) > lastSeenMs) at--;
    if (this.#length === this.#contacts.length) this.#resize(this.#length + step);
    this.#length++;
    for (let i = this.#length - 1; i > at; i--) this.#copy(i - 1, i);
    this.#write(
      at,
      contact,
      contact.id.prefixBits,
      lastSeenMs,
      addedAtMs,
      2 * failures + (incomingOnly ? 1 : 0),
    );
  }

  remove(index: number): void {
    for (let i = index + 1; i < this.#length; i++) this.#copy(i, i - 1);
    this.#length--;
    const unused = this.#contacts.length - this.#length;
    if (this.#length === 0 || unused >= 2 * step) this.#resize(Math.ceil(this.#length / step) * step);
    else this.#contacts[this.#length] = undefined as unknown as Contact; // not to hold it
  }

  /** It has answered: it is the most recently seen now, without failures. */
  onAnswered(index: number, nowMs: InstantMs, incomingOnly: boolean): void {
    const last = this.#length - 1;
    const contact = this.contactAt(index);
    const prefix = this.#prefixes[index] as number;
    const addedAtMs = this.#number(index, addedAt);
    for (let i = index; i < last; i++) this.#copy(i + 1, i);
    this.#write(last, contact, prefix, nowMs, addedAtMs, incomingOnly ? 1 : 0);
  }

  /** It has not answered; returns how often in a row. */
  onFailed(index: number): number {
    const failures = this.failuresAt(index) + 1;
    this.#numbers[index * numbersEach + record] = this.#number(index, record) + 2;
    return failures;
  }

  /** Other addresses of the same peer. */
  setContact(index: number, contact: Contact): void {
    this.#contacts[index] = contact;
  }

  /** Makes all look unheard since `sinceMs` at the latest. */
  markStale(sinceMs: InstantMs): void {
    for (let i = 0; i < this.#length; i++)
      this.#numbers[i * numbersEach + lastSeen] = Math.min(this.lastSeenMsAt(i), sinceMs);
  }

  #number(index: number, column: number): number {
    return this.#numbers[index * numbersEach + column] as number;
  }

  #copy(from: number, to: number): void {
    this.#write(
      to,
      this.contactAt(from),
      this.#prefixes[from] as number,
      this.#number(from, lastSeen),
      this.#number(from, addedAt),
      this.#number(from, record),
    );
  }

  #write(
    index: number,
    contact: Contact,
    prefix: number,
    lastSeenMs: InstantMs,
    addedAtMs: InstantMs,
    recorded: number,
  ): void {
    const numbers = this.#numbers;
    const at = index * numbersEach;
    this.#contacts[index] = contact;
    this.#prefixes[index] = prefix;
    numbers[at + lastSeen] = lastSeenMs;
    numbers[at + addedAt] = addedAtMs;
    numbers[at + record] = recorded;
  }

  /**
   * New columns of exactly so many places: arrays that grow by themselves take up to 16 more. Each is made by a line of
   * its own, since an engine remembers for the line what its arrays hold: numbers then lie in them without boxes.
   */
  #resize(capacity: number): void {
    const contacts = capacity === 0 ? nothing : new Array<Contact>(capacity);
    const prefixes = capacity === 0 ? nothing : new Array<number>(capacity);
    const numbers = capacity === 0 ? nothing : new Array<number>(capacity * numbersEach);
    for (let i = 0; i < this.#length; i++) {
      contacts[i] = this.#contacts[i] as Contact;
      prefixes[i] = this.#prefixes[i] as number;
    }
    for (let i = 0; i < this.#length * numbersEach; i++) numbers[i] = this.#numbers[i] as number;
    this.#contacts = contacts;
    this.#prefixes = prefixes;
    this.#numbers = numbers;
  }
}
