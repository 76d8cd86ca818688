import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { run } from "./support/io.ts";

describe("kad", () => {
  it("prints help on stdout", async () => {
    const { code, out, err } = await run(["--help"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Usage: kad COMMAND [OPTIONS]");
    expect((await run(["node", "--help"])).out).toContain("Usage: kad node [OPTIONS]");
  });

  it("prints the version of its package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect(await run(["--version"])).toMatchObject({ code: 0, out: `${version}\n` });
  });

  it("says in one line on stderr what is wrong, and nothing on stdout", async () => {
    expect(await run(["nod"])).toMatchObject({
      code: 2,
      out: "",
      err: 'kad: there is no command "nod"; did you mean "node"?\n',
    });
  });

  it("shows the stack to those who ask for it", async () => {
    const { err } = await run(["put", "/no/such/file"], { env: { KAD_DEBUG: "1" } });
    expect(err).toMatch(/^kad: \/no\/such\/file: there is no such file; .*\n.*ENOENT/);
    expect((await run(["nod"], { env: { KAD_DEBUG: "1" } })).err).toMatch(/\nWrongUsage: .*\n +at /);
  });
});
