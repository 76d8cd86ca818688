import { expect, it } from "vitest";
import { CipherState } from "../../src/noise/cipher-state.ts";
import { Handshake } from "../../src/noise/handshake.ts";
import { IK, type Pattern, withPsks, XX } from "../../src/noise/patterns.ts";
import { hex, unhex } from "../support/hex.ts";
import { providers } from "../support/providers.ts";
import { describeVectors } from "../support/published-vectors.ts";

interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: readonly string[];
  readonly init_static?: string;
  readonly init_ephemeral: string;
  readonly init_remote_static?: string;
  readonly resp_prologue: string;
  readonly resp_psks?: readonly string[];
  readonly resp_static?: string;
  readonly resp_ephemeral: string;
  readonly resp_remote_static?: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

/** Patterns that cover tokens and psks in other places than ours (Noise §7.4, §7.5, §18.1). */
const others: readonly Pattern[] = [
  pattern("NK", false, true, [
    ["e", "es"],
    ["e", "ee"],
  ]),
  pattern("KK", true, true, [
    ["e", "es", "ss"],
    ["e", "ee", "se"],
  ]),
  pattern("XX1", false, false, [["e"], ["e", "ee", "s"], ["es", "s", "se"]]),
  pattern("IK1", false, true, [
    ["e", "s"],
    ["e", "ee", "se", "es"],
  ]),
];

function pattern(
  name: string,
  knownInitiator: boolean,
  knownResponder: boolean,
  messages: Pattern["messages"],
): Pattern {
  return { name, knownInitiator, knownResponder, messages, hasPsk: false };
}

function patternOf(protocolName: string): Pattern {
  const [, name = "", , ,] = /^Noise_([^_]+)_25519_ChaChaPoly_SHA256$/.exec(protocolName) ?? [];
  const [, base, psks = ""] = /^([A-Z0-9]+)((?:psk[0-9]\+?)*)$/.exec(name) ?? [];
  const found = [XX, IK, ...others].find((candidate) => candidate.name === base);
  if (found === undefined) throw new Error(`unknown pattern ${protocolName}`);
  const positions = [...psks.matchAll(/psk([0-9])/g)].map(([, digit]) => Number(digit));
  return positions.length === 0 ? found : withPsks(found, positions);
}

for (const file of ["noise-cacophony.json", "noise-snow.json"]) {
  describeVectors<{ readonly vectors: readonly NoiseVector[] }>(file, ({ vectors }) => {
    for (const [name, provider] of providers) {
      it.each(vectors.map((vector) => [vector.protocol_name, vector] as const))(
        `${name}: %s`,
        (_, vector) => {
          const pattern = patternOf(vector.protocol_name);
          const keys = (seed: string | undefined) =>
            seed === undefined ? undefined : provider.x25519(unhex(seed));
          const bytes = (text: string | undefined) => (text === undefined ? undefined : unhex(text));
          const initiator = new Handshake({
            provider,
            pattern,
            role: "initiator",
            prologue: unhex(vector.init_prologue),
            static: keys(vector.init_static),
            ephemeral: () => provider.x25519(unhex(vector.init_ephemeral)),
            remoteStatic: bytes(vector.init_remote_static),
            psks: vector.init_psks?.map(unhex),
          });
          const responder = new Handshake({
            provider,
            pattern,
            role: "responder",
            prologue: unhex(vector.resp_prologue),
            static: keys(vector.resp_static),
            ephemeral: () => provider.x25519(unhex(vector.resp_ephemeral)),
            remoteStatic: bytes(vector.resp_remote_static),
            psks: vector.resp_psks?.map(unhex),
          });
          const handshake = vector.messages.slice(0, pattern.messages.length);
          for (const [i, { payload, ciphertext }] of handshake.entries()) {
            const [sender, receiver] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
            const into = new Uint8Array(ciphertext.length / 2);
            expect(sender.writeMessage(unhex(payload), into, 0)).toBe(into.length);
            expect(hex(into)).toBe(ciphertext);
            expect(hex(receiver.readMessage(into))).toBe(payload);
          }
          if (vector.handshake_hash !== undefined) expect(hex(responder.hash)).toBe(vector.handshake_hash);
          const sides = [initiator.split(), responder.split()].map(({ send, receive }) => ({
            send: new CipherState(provider, send),
            receive: new CipherState(provider, receive),
          }));
          for (const [i, { payload, ciphertext }] of vector.messages.entries()) {
            if (i < handshake.length) continue;
            const [sender, receiver] = i % 2 === 0 ? sides : sides.toReversed();
            const into = new Uint8Array(ciphertext.length / 2);
            sender?.send.seal(unhex(payload), into);
            expect(hex(into)).toBe(ciphertext);
            const opened = new Uint8Array(payload.length / 2);
            expect(receiver?.receive.open(into, opened)).toBe(true);
            expect(hex(opened)).toBe(payload);
          }
        },
      );
    }
  });
}
