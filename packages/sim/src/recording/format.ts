/**
 * The format of recordings, version 1: JSON lines.
 *
 * The first line is the {@link RecordingHeader}. Then come the records that the store held (`stored`), one line for the making
 * of the node (`made`), and a line for every call on the machine, in order, with what it gave and what the node drew or asked
 * of its host meanwhile ({@link Facts}): `networkEvent`, `timeout`, `poll`, `event`, `deadline`, `close`, `setProtocols`,
 * `clearTimer`, and commands by their own names. The last line is `end`. A process that crashed has left none.
 *
 * Values that JSON does not have are objects with one field: `{"$id": hex}` a node's id or a key, `{"$at": URL}` an address,
 * `{"$bytes": hex}`, `{"$number": "Infinity"}`, `{"$error": text}`. Times are in ms, on the host's monotonic clock.
 */
import type { NodeLimits } from "@kad/core";

export const recordingVersion = 1;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface RecordingHeader {
  readonly recording: number;
  /** For whoever opens the file. */
  readonly warning: string;
  /** Free text of whoever records: versions, mostly. */
  readonly about?: string;
  readonly id: string;
  readonly mode: "server" | "client";
  readonly padRequests: boolean;
  readonly limits: Partial<NodeLimits>;
  /** Names of record types that the host has added. */
  readonly validators: readonly string[];
  /** Whether the host demands something of the metadata of providers. */
  readonly hasProviderValidator?: boolean;
  /** Whether the host has brought a store. */
  readonly hasStore: boolean;
}

/** What the node was told by its host in the course of a call; absent: nothing. */
export interface Facts {
  /** Random bytes, in hex. */
  readonly draws?: readonly string[];
  /** Addresses that were counted for the first time in a while: URL, source, group. */
  readonly addresses?: readonly (readonly [string, string | null, string | null])[];
  /** Links that carry kinds of addresses since now: the kind's bit, the link, the largest message. */
  readonly links?: readonly (readonly [number, number, number])[];
  /** The kinds that can be dialled since now. */
  readonly dialable?: number;
  /** Which of the call's writes to the store it had no room for, counted from 0. */
  readonly full?: readonly number[];
}

/** A line behind the header. */
export interface RecordedCall extends Facts {
  /** `networkEvent`, `timeout`, `poll`, `event`, `deadline` … as the format says; a command goes by its own name. */
  readonly c: string;
  /** When. */
  readonly t?: number;
  /** What was given. */
  readonly a?: readonly Json[];
  /** What came back; absent: nothing. */
  readonly r?: Json;
}

export const warning =
  "This file holds in plain text what the node heard, said, drew and stored. The keys of its identity are not in it.";
