/**
 * Which record or point of the id space a command is about: a key, or a name, and whose.
 */
import type { RecordKey } from "@kad/core";
import type { DhtNode } from "@kad/dht";
import type { ArgumentSpec, ValueSpec } from "./command.ts";
import { oneLine, WrongUsage } from "./failure.ts";

export const keyArgument: ArgumentSpec = {
  name: "KEY",
  summary: "64 hexadecimal digits, as put and set print them",
  optional: true,
};

export const nameOption: ValueSpec<string> = {
  value: "NAME",
  summary: "Instead of KEY: the key of the open record with this name",
  parse: (text) => text,
};

/** @throws WrongUsage when there is neither or both; UsageError for what is no key or name */
export async function readKey(key: string | undefined, name: string | undefined): Promise<RecordKey> {
  if ((key === undefined) === (name === undefined)) throw new WrongUsage("give either KEY or --name NAME");
  const { keyOfName, parseKey } = await import("@kad/dht");
  return key === undefined ? keyOfName(name as string) : parseKey(key);
}

export const ownerOption: ValueSpec<string> = {
  value: "PUBLIC-KEY",
  summary: "Whose --name it is, 64 hexadecimal digits; without it the name that anyone may overwrite",
  parse: (text) => {
    if (/^[0-9a-f]{64}$/i.test(text)) return text;
    throw new WrongUsage(`"${oneLine(text)}" is no public key; allowed are 64 hexadecimal digits`);
  },
};

/** The same where the name may be somebody's own: which key that is, a node of its network says. @throws as readKey */
export async function readOwnedKey(
  key: string | undefined,
  name: string | undefined,
  owner: string | undefined,
): Promise<(node: DhtNode) => RecordKey> {
  if (owner !== undefined && name === undefined) throw new WrongUsage("--owner without --name NAME");
  const open = await readKey(key, name);
  return (node) => (owner === undefined ? open : node.keyOf(name as string, { owner }));
}
