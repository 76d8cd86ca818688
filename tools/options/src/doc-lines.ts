/** Comments as they stand in the source: those of an interface's fields, and those behind the numbers of a table. */

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

/**
 * What stands as a comment behind each entry of a table of limits: where its number comes from.
 * @throws when there is none
 */
export function sourcesOf(source: string, names: readonly string[]): ReadonlyMap<string, string> {
  const lines = source.matchAll(/^ {2}(\w+): (?:spec|limitSpec)\(.*\), \/\/ (.+)$/gm);
  const sources = new Map([...lines].map(([, name, text]) => [name as string, text as string]));
  const bare = names.filter((name) => !sources.has(name));
  if (bare.length > 0) throw new Error(`${bare.join(", ")} without a source`);
  return sources;
}

function oneLine(comment: string): string {
  return comment
    .replaceAll(/^\s*\* ?/gm, "")
    .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .trim();
}
