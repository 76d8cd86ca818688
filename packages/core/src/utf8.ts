/**
 * UTF-8 (RFC 3629) by hand: `TextEncoder` belongs to the host's platform, and core assumes none.
 */
import { copyBytes } from "./bytes.ts";

/** The bytes of a text, owned by the caller. A lone surrogate becomes U+FFFD, as `TextEncoder` has it. */
export function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const point = scalarAt(text, i);
    if (point > 0xffff) i++;
    length = writePoint(point, bytes, length);
  }
  return copyBytes(bytes, 0, length);
}

/** The text that the bytes spell; `undefined` when they are not well-formed UTF-8. A byte order mark is kept. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const point = readPoint(bytes, at);
    if (point === undefined) return undefined;
    text += String.fromCodePoint(point);
    at += widthOf(point);
  }
  return text;
}

function scalarAt(text: string, index: number): number {
  const point = text.codePointAt(index) as number;
  return point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
}

function widthOf(point: number): number {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x1_0000 ? 3 : 4;
}

function writePoint(point: number, into: Uint8Array, offset: number): number {
  const width = widthOf(point);
  if (width === 1) {
    into[offset] = point;
    return offset + 1;
  }
  const leads = [0, 0, 0xc0, 0xe0, 0xf0];
  into[offset] = (leads[width] as number) | (point >>> (6 * (width - 1)));
  for (let i = 1; i < width; i++) into[offset + i] = 0x80 | ((point >>> (6 * (width - 1 - i))) & 0x3f);
  return offset + width;
}

/** `undefined`: cut short, a byte out of place, a surrogate, beyond U+10FFFF, or longer than needed. */
function readPoint(bytes: Uint8Array, offset: number): number | undefined {
  const lead = bytes[offset] as number;
  if (lead < 0x80) return lead;
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return undefined;
  let point = lead & (0x7f >> width);
  for (let i = 1; i < width; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return undefined;
    point = (point << 6) | (byte & 0x3f);
  }
  const isSurrogate = point >= 0xd800 && point <= 0xdfff;
  return widthOf(point) !== width || isSurrogate || point > 0x10_ffff ? undefined : point;
}
