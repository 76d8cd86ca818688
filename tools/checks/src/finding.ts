/** One broken rule and where it is broken, printed as `file:line: message` so that editors can jump to it. */
export type Finding = { readonly file: string; readonly line: number; readonly message: string };

export function format(finding: Finding): string {
  return `${finding.file}:${finding.line}: ${finding.message}`;
}

/** The 1-based line of a character offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
