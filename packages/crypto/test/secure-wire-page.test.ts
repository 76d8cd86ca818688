/** The bytes that docs/secure-wire.md shows are those of the frozen conversations. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { vectorFile } from "./support/transcripts.ts";

const page = readFileSync(new URL("../../../docs/secure-wire.md", import.meta.url), "utf8");

interface Vectors {
  readonly transcripts?: readonly {
    readonly packets?: readonly { readonly hex: string; readonly inside: string }[];
    readonly messages?: readonly { readonly hex: string }[];
  }[];
  readonly mutable?: readonly { readonly body: string }[];
  readonly providers?: readonly { readonly signed: string }[];
}

/** ` ```hex datagrams 0 3 `: packet 3 of transcript 0 of `secure-datagrams.json`; `inside`: what it holds. */
const blocks = [...page.matchAll(/^```hex (.+)\n([\s\S]*?)^```$/gm)].map(([, source, lines]) => ({
  source: source as string,
  lines: (lines as string).trimEnd().split("\n"),
}));

function frozen(source: string): string | undefined {
  const [file = "", ...path] = source.split(" ");
  const vectors = JSON.parse(readFileSync(vectorFile(file), "utf8")) as Vectors;
  const [first = "", second = "", third = "hex"] = path;
  if (first === "mutable") return vectors.mutable?.[Number(second)]?.body;
  if (first === "providers") return vectors.providers?.[Number(second)]?.signed;
  const transcript = vectors.transcripts?.[Number(first)];
  const packet = (transcript?.packets ?? transcript?.messages)?.[Number(second)];
  return (packet as Record<string, string> | undefined)?.[third];
}

/** A line is hex, or `00 x 136`, and the name of the field behind two spaces. */
function bytesOf(line: string): string {
  const zeros = /^00 x (\d+)(?: {2,}|$)/.exec(line)?.[1];
  return zeros === undefined ? (/^[0-9a-f]+/.exec(line)?.[0] ?? "") : "00".repeat(Number(zeros));
}

describe("the page about the secure wire", () => {
  it("shows every packet, every message of a handshake, and both kinds of record", () => {
    expect(blocks.map(({ source }) => source).toSorted()).toEqual(
      [
        ...[0, 1, 2, 3, 5, 12].map((packet) => `datagrams 0 ${packet}`),
        "datagrams 0 1 inside",
        ...[0, 1, 2, 3].map((message) => `streams 0 ${message}`),
        "records mutable 1",
        "records providers 1",
      ].toSorted(),
    );
  });

  it.each(blocks)("shows what is frozen: $source", ({ source, lines }) => {
    expect(lines.map(bytesOf).join("")).toBe(frozen(source));
  });

  it("draws layouts whose offsets add up", () => {
    const fenced = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)];
    const drawn = fenced.flatMap(([, info, text]) => (info === "" ? [text as string] : []));
    let checked = 0;
    for (const layout of drawn) {
      let end = 0;
      for (const line of layout.split("\n")) {
        const [, offset, width] = /^(?:\d (?:->|<-) )? *(\d+) +(\d+) {2}\S/.exec(line) ?? [];
        if (offset === undefined) continue;
        if (Number(offset) > 0) expect(Number(offset), line).toBe(end);
        end = Number(offset) + Number(width);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(50);
  });
});
