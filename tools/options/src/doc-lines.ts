/** Doc comments of an interface's fields, as they stand in the source. */

/**
 * The comment before each `readonly name…` of the interface, on one line.
 * @throws when a field has none: the page would have a hole
 */
export function docLinesOf(source: string, name: string): ReadonlyMap<string, string> {
  const body = new RegExp(`export interface ${name}(?: extends [\\w, ]+)? \\{\n(.*?)\n\\}`, "s").exec(
    source,
  )?.[1];
  if (body === undefined) throw new Error(`there is no interface ${name}`);
  const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] as string);
  const documented = /^ {2}\/\*\*((?:(?!\*\/).)*)\*\/\n {2}readonly (\w+)\??:/gms;
  const lines = new Map(
    [...body.matchAll(documented)].map(([, comment, field]) => [field as string, oneLine(comment as string)]),
  );
  const bare = fields.filter((field) => !lines.has(field));
  if (bare.length > 0) throw new Error(`${name}: ${bare.join(", ")} without a doc comment`);
  return lines;
}

function oneLine(comment: string): string {
  return comment
    .replaceAll(/^\s*\* ?/gm, "")
    .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .trim();
}
