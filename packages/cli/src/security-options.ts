/**
 * Who a command's node is, and in which network: options that all commands have which speak to one.
 */
import type { CreateNodeOptions } from "@kad/dht";
import type { FlagSpec, ValueSpec } from "./command.ts";
import { WrongUsage } from "./failure.ts";

const identity: ValueSpec<string> = {
  value: "FILE",
  summary: "Who this node is, as kad new identity has made it; without it somebody new each time",
  parse: (text) => text,
  env: "KAD_IDENTITY",
};

const networkKey: ValueSpec<string> = {
  value: "FILE",
  summary: "The key of a private network, as kad new network-key has made it",
  parse: (text) => text,
  env: "KAD_NETWORK_KEY",
};

const insecure: FlagSpec = {
  summary: "In plain text, to nodes that do the same: anybody reads along, and ids prove nothing",
};

export const security: {
  readonly identity: ValueSpec<string>;
  readonly "network-key": ValueSpec<string>;
  readonly insecure: FlagSpec;
} = { identity, "network-key": networkKey, insecure };

/** As they were given. */
export interface SecurityChoice {
  readonly identity: string | undefined;
  readonly "network-key": string | undefined;
  readonly insecure: boolean;
}

/** @throws (rejects) WrongUsage for what excludes another; SecretFileError that names the file */
export async function securityOf(
  choice: SecurityChoice,
): Promise<Pick<CreateNodeOptions, "identity" | "networkKey" | "security">> {
  const { identity: identityFile, "network-key": keyFile, insecure: isInsecure } = choice;
  if (isInsecure) {
    const other = identityFile !== undefined ? "--identity" : keyFile !== undefined ? "--network-key" : "";
    if (other !== "") throw new WrongUsage(`--insecure beside ${other}: in plain text it proves nothing`);
    return { security: "none" };
  }
  const { loadIdentity, loadNetworkKey } = await import("@kad/dht");
  return {
    ...(identityFile !== undefined && { identity: await loadIdentity(identityFile) }),
    ...(keyFile !== undefined && { networkKey: await loadNetworkKey(keyFile) }),
  };
}
