/**
 * Which record or point of the id space a command is about: a key, or the name of an open record.
 */
import type { RecordKey } from "@kad/core";
import type { ArgumentSpec, ValueSpec } from "./command.ts";
import { WrongUsage } from "./failure.ts";

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
