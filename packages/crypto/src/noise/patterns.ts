/**
 * Handshake patterns as data (Noise Protocol Framework revision 34, §7): which tokens each message has.
 *
 * Streams use XX, datagrams IK; with a network key the same with `psk0`. Others can be written down in the same way.
 */

export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

export interface Pattern {
  /** As in the protocol's name: `XX`, `IKpsk0`. */
  readonly name: string;
  /** Whose static key is known beforehand. */
  readonly knownInitiator: boolean;
  readonly knownResponder: boolean;
  /** The initiator's first, then in turn. */
  readonly messages: readonly (readonly Token[])[];
  /** A handshake with a psk mixes public ephemeral keys into the key too (§9.2). */
  readonly hasPsk: boolean;
}

export const XX: Pattern = Object.freeze({
  name: "XX",
  knownInitiator: false,
  knownResponder: false,
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
  hasPsk: false,
} as const);

export const IK: Pattern = Object.freeze({
  name: "IK",
  knownInitiator: false,
  knownResponder: true,
  messages: [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se"],
  ],
  hasPsk: false,
} as const);

/** §9.3: `psk0` stands at the start of the first message, `pskN` at the end of message N. */
export function withPsks(pattern: Pattern, positions: readonly number[]): Pattern {
  const messages = pattern.messages.map((tokens) => [...tokens]);
  for (const position of positions) {
    if (position === 0) messages[0]?.unshift("psk");
    else messages[position - 1]?.push("psk");
  }
  const suffix = positions.map((position) => `psk${position}`).join("+");
  return { ...pattern, name: pattern.name + suffix, messages, hasPsk: true };
}
