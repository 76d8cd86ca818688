/** `npm run tarballs`: the packages as files, in `tarballs/`, to be installed elsewhere. */
import { mkdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { pack, root } from "./tarballs.ts";

const folder = join(root, "tarballs");
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
for (const { name, file } of await pack(folder)) console.log(`${name}: ${relative(root, file)}`);
