/** `npm run generate`: writes the frozen vectors anew, after a change of the wire that was meant. */
import { writeFileSync } from "node:fs";
import { noble } from "./support/providers.ts";
import { vectorFile, vectorFiles, vectorText } from "./support/transcripts.ts";

for (const [name, make] of Object.entries(vectorFiles))
  writeFileSync(vectorFile(name), vectorText(make({ initiator: noble, responder: noble })));
