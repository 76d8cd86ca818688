/**
 * Words, numbers and bytes as people read them.
 */

/** Breaks at spaces, so that no line is longer than `width` unless a word is. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

/** Two columns, indented; the right one is wrapped. A left side too long for its column has a line of its own. */
export function columns(rows: readonly (readonly [string, string])[], width: number): string {
  const longest = 24;
  const lefts = rows.map(([left]) => left.length).filter((length) => length <= longest);
  const left = Math.max(0, ...lefts);
  const indent = " ".repeat(left + 4);
  return rows
    .map(([name, text]) => {
      const lines = wrap(text, width - indent.length).replaceAll("\n", `\n${indent}`);
      return name.length > left ? `  ${name}\n${indent}${lines}` : `  ${name.padEnd(left)}  ${lines}`;
    })
    .join("\n");
}

/** `1 node`, `1,024 nodes`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `12,345`. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** `0.42 ms`, `18 ms`, `1.53 s`. */
export function shownMs(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`;
}

/** `12 B`, `3.4 kB`, `1.2 MB`. */
export function shownBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999_950 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** The first 8 of an id's 64 digits: enough for a person to tell the nodes of a screen apart. */
export function shortId(id: { toHex(): string } | string): string {
  const hex = typeof id === "string" ? id : id.toHex();
  return `${hex.slice(0, 8)}…`; // slice: hex is a string
}

/** At most `length` UTF-16 units, the last of them an ellipsis where some are missing. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const kept = text.slice(0, Math.max(0, length - 1)); // slice: a string
  return `${kept.replace(/[\uD800-\uDBFF]$/, "")}…`; // no half of a character
}
