/** `npm run docs:options`: writes the page. */
import { writeFileSync } from "node:fs";
import { pageFile, writePage } from "./page.ts";

writeFileSync(pageFile, writePage());
