/**
 * `kad new`: makes the file of an identity or of a network key.
 */
import { hexOf } from "../bytes.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { oneLine, WrongUsage } from "../failure.ts";
import type { Io } from "../io.ts";
import { writeEvent } from "../json.ts";
import { json } from "../options.ts";

type Kind = "identity" | "network-key";

export const newSecret: Command = defineCommand({
  name: "new",
  summary: "Make an identity, or the key of a private network, in a file",
  description: [
    "An identity is who a node is: its id comes from it, and so does the public key under which others read what it sets. " +
      "It prints both. Keep the file, and give it to nobody: who has it is that node.",
    "A network key makes a network private: who has it not gets no answer. Make one, copy the file to every machine that " +
      "is to be let in, and start every node and command there with it.",
    "The file must not exist; it can be read by you alone (mode 0600), and has to stay so.",
  ],
  args: [
    { name: "KIND", summary: "identity or network-key" },
    { name: "FILE", summary: "Where to keep it" },
  ],
  options: { json },
  examples: [
    { line: "kad new identity ~/.kad-identity", does: "then: kad node --identity ~/.kad-identity" },
    {
      line: "kad new network-key ~/.kad-network-key",
      does: "then: kad node --network-key ~/.kad-network-key",
    },
  ],
  async run({ options, args, io }) {
    const kind = kindOf(args[0] as string);
    const file = args[1] as string;
    if (kind === "identity") await makeIdentity(file, options.json, io);
    else await makeNetworkKey(file, options.json, io);
    return exitCode.ok;
  },
});

function kindOf(text: string): Kind {
  if (text === "identity" || text === "network-key") return text;
  throw new WrongUsage(`"${oneLine(text)}" cannot be made; allowed are identity and network-key`);
}

async function makeIdentity(file: string, isJson: boolean, io: Io): Promise<void> {
  const { createIdentity, saveIdentity } = await import("@kad/dht");
  const identity = await createIdentity();
  await saveIdentity(file, identity);
  const [id, publicKey] = [identity.id.toHex(), hexOf(identity.publicKey)];
  if (isJson) writeEvent(io.stdout, "made", { kind: "identity", file, id, publicKey });
  else io.stdout.write(`id          ${id}\npublic key  ${publicKey}\n`);
}

async function makeNetworkKey(file: string, isJson: boolean, io: Io): Promise<void> {
  const { createNetworkKey, saveNetworkKey } = await import("@kad/dht");
  await saveNetworkKey(file, await createNetworkKey());
  if (isJson) writeEvent(io.stdout, "made", { kind: "network-key", file });
  else io.stdout.write(`copy ${oneLine(file)} to every machine that is to be let in, and to no other\n`);
}
