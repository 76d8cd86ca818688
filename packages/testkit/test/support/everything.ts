/** Both packages in one, to be built for a world without modules. */
export * as core from "@kad/core";
export * as testkit from "../../src/index.ts";
