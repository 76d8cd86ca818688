/** Serves the page, and stays up until Ctrl-C: open it in two browsers, and they chat. */
import { serve } from "./serve.ts";

const served = await serve(8_080);
console.log(`Open ${served.pageUrl("alice")}`);
console.log(`and  ${served.pageUrl("bob")}`);
process.once("SIGINT", () => void served.close());
