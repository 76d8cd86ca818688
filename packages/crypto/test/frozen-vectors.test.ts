/**
 * The wire as it was frozen: whatever else changes, seeds and clocks that were the same give the same bytes, with every
 * provider. After a change that is meant, `npm run generate` writes the files anew.
 */
import { readFileSync } from "node:fs";
import { NodeId } from "@kad/core";
import { describe, expect, it } from "vitest";
import { Network } from "../src/network.ts";
import { MutableRecords } from "../src/records/mutable-records.ts";
import { hex, unhex } from "./support/hex.ts";
import { native, noble, providers } from "./support/providers.ts";
import { insideDatagrams, insideStreams } from "./support/transcript-reader.ts";
import {
  type DatagramTranscript,
  type StreamTranscript,
  vectorFile,
  vectorFiles,
  vectorText,
} from "./support/transcripts.ts";

const read = (name: string): string => readFileSync(vectorFile(name), "utf8");
const pairs = [
  ["noble and noble", noble, noble],
  ["noble and node", noble, native],
  ["node and noble", native, noble],
  ["node and node", native, native],
] as const;

describe.each(pairs)("%s", (_names, initiator, responder) => {
  it.each(Object.entries(vectorFiles))("say what is frozen in %s.json", (name, make) => {
    expect(vectorText(make({ initiator, responder }))).toBe(read(name));
  });
});

const textOf = (inside: string | null): string =>
  inside === null ? "" : new TextDecoder().decode(unhex(inside));

describe.each(providers)("who has only the seeds and the description, and %s,", (_name, provider) => {
  it("reads every datagram", () => {
    const { transcripts } = JSON.parse(read("datagrams")) as { transcripts: DatagramTranscript[] };
    for (const transcript of transcripts) {
      const inside = insideDatagrams(provider, transcript);
      expect(inside).toEqual(transcript.packets.map((packet) => packet.inside));
      const { responder, responderCid, pathToken } = transcript;
      expect(inside[1]).toBe(responder.certificate);
      expect(textOf(inside[2] as string)).toBe("the first request");
      expect(inside[3]?.startsWith(responderCid)).toBe(true);
      expect(textOf(inside[3]?.slice(8) as string)).toBe("answer to the first request");
      expect(inside.slice(4, 12).map((held) => held?.slice(0, 2))).toEqual([
        "00",
        "01",
        "01",
        "01",
        "01",
        "02",
        "03",
        "04",
      ]);
      expect(textOf(inside[5]?.slice(2) as string)).toBe("the second request");
      expect(textOf(inside[8]?.slice(2) as string)).toBe("answer to a request from elsewhere");
      expect([inside[9], inside[10]]).toEqual([`02${pathToken}`, `03${pathToken}`]);
    }
  });

  it("reads every message of a stream", () => {
    const { transcripts } = JSON.parse(read("streams")) as { transcripts: StreamTranscript[] };
    for (const transcript of transcripts) {
      const inside = insideStreams(provider, transcript);
      expect(inside).toEqual(transcript.messages.map((message) => message.inside));
      const short = ({ certificate }: { certificate: string }) =>
        certificate.slice(0, 64) + certificate.slice(128);
      expect(inside.slice(0, 3)).toEqual([null, short(transcript.responder), short(transcript.initiator)]);
      expect(inside.slice(3).map((held) => held?.slice(0, 2))).toEqual(["01", "01", "01", "01", "04"]);
      expect(textOf(inside[6]?.slice(2) as string)).toBe("answer to the second request");
    }
  });

  it("takes every record", () => {
    const { mutable } = JSON.parse(read("records")) as {
      mutable: readonly { readonly key: string; readonly body: string; readonly value: string }[];
    };
    const records = new MutableRecords({ provider, network: new Network(provider, "kad") });
    for (const { key, body, value } of mutable) {
      const context = { sha256: (bytes: Uint8Array) => provider.sha256(bytes), unixMs: 0 };
      expect(records.validators.mutable.validate(NodeId.fromHex(key), unhex(body), context)).toBeUndefined();
      expect(hex(records.read(unhex(body))?.value)).toBe(value);
    }
  });
});
