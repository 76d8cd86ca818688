/** What `chromium.test.ts` runs in a page: with what the main entry exports, and nothing else. */
import { AddressTable, type Path, type SecureChannel } from "@kad/core";
import {
  Credentials,
  MutableRecords,
  Network,
  nobleProvider,
  SeedIdentity,
  secureDatagrams,
  secureStreams,
  systemRandom,
} from "../../src/index.ts";

const provider = nobleProvider();
const nowMs = 1_000;
const addresses = new AddressTable();
addresses.setLink("udp4", { link: 1, maxBytes: 1_200 });
addresses.setLink("tcp4", { link: 2, maxBytes: 2 ** 20 });

interface Frozen {
  readonly identitySeed: Uint8Array;
  readonly seq: number;
  readonly salt: Uint8Array;
  readonly ttlSeconds: number;
  readonly value: Uint8Array;
}

/** The body of a record that was frozen elsewhere. */
async function signed({ identitySeed, ...content }: Frozen): Promise<number[]> {
  const records = new MutableRecords({ provider, network: new Network(provider, "kad") });
  const { body } = await records.sign(SeedIdentity.fromSeed(provider, identitySeed), content);
  return [...body];
}

/** What arrives of a text that one channel sends to another. */
function said(scheme: "udp" | "tcp", text: string): string | undefined {
  const channelOf = (): SecureChannel => {
    const identity = SeedIdentity.generate(provider, systemRandom);
    const credentials = new Credentials({
      provider,
      identity,
      keys: systemRandom,
      nowMs,
      unixMs: Date.now(),
    });
    return scheme === "udp"
      ? secureDatagrams({ credentials, random: systemRandom, addresses, nowMs })
      : secureStreams({ credentials, addresses, nowMs });
  };
  const pathAt = (port: number): Path => ({
    remote: addresses.parse(`${scheme}://127.0.0.1:${port}`),
    dialable: true,
  });
  const [alice, bob] = [channelOf(), channelOf()];
  const ends = [
    { from: alice, to: bob, path: pathAt(1) },
    { from: bob, to: alice, path: pathAt(2) },
  ];
  const plaintext = new TextEncoder().encode(text);
  const scratch = new Uint8Array(2 ** 17);
  alice.seal(
    nowMs,
    { path: pathAt(2), peer: undefined, length: plaintext.length, tag: 1 },
    plaintext,
    scratch,
  );
  for (let turn = 0; turn < 10; turn++) {
    for (const { from, to, path } of ends) {
      const transmit = from.pollTransmit(nowMs, scratch);
      if (transmit === undefined) continue;
      const opened = to.open(nowMs, path, Uint8Array.from(scratch.subarray(0, transmit.length)));
      if (opened !== undefined) return new TextDecoder().decode(opened.plaintext);
    }
  }
  return undefined;
}

export interface PageProgram {
  signed: typeof signed;
  said: typeof said;
}

(globalThis as { program?: PageProgram }).program = { signed, said };
