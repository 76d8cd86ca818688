import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { allPrograms, type PageProgram, whyNotNative } from "@kad/snippets";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { type Outcome, run, succeed } from "../src/process.ts";
import { compiled, Project } from "../src/project.ts";
import {
  downloads,
  type MissingRuntime,
  obtain,
  ownRuntime,
  type Runtime,
  titleOf,
} from "../src/runtimes.ts";
import { pack, published, root } from "../src/tarballs.ts";

const programs = allPrograms();
const runnable = programs.filter(({ isRun }) => isRun);
const consumers = ["sockets", "two-nodes"];
/** What it prints here it is to print everywhere. */
const sameTrace = "same-trace";
const titles = [ownRuntime.title, ...downloads.map(titleOf)];

let project: Project;
let consumersChecked: Outcome;
let pagesChecked: Outcome;
let simulated: Outcome;
let reported: Outcome;
let runtimes: readonly (Runtime | MissingRuntime)[];

beforeAll(async () => {
  project = await Project.create();
  const downloading = Promise.all(downloads.map(obtain));
  await project.install(await pack(project.folder));
  await writePrograms();
  consumersChecked = await project.compile("consumer", []);
  pagesChecked = await project.compile("pages", ["node"]);
  simulated = await simulate(ownRuntime);
  reported = await kadSim(ownRuntime);
  runtimes = [ownRuntime, ...(await downloading)];
}, 300_000);

afterAll(async () => {
  const ran = runtimes.filter(isThere).map(({ title }) => title);
  const missing = runtimes.flatMap((one) => (isThere(one) ? [] : [`${one.title} (${one.reason})`]));
  console.log(`The packages ran on ${ran.join(", ")}.`);
  if (missing.length > 0) console.log(`They could not be tried on ${missing.join(", ")}.`);
  await project.remove();
});

describe("the packages, installed in an empty project", () => {
  it("bring nothing else but the primitives of cryptography, and ws", async () => {
    expect(await readdir(join(project.folder, "node_modules"))).toEqual([
      ".bin",
      ".package-lock.json",
      "@kad",
      "@noble",
      "ws",
    ]);
    expect(await readdir(join(project.folder, "node_modules/.bin"))).toEqual(["kad"]);
  });

  it("have types that are right without those of Node", () => {
    expect(consumersChecked).toEqual({ status: 0, output: "", errors: "" });
  });

  it("have the types that our pages say", () => {
    expect(pagesChecked).toEqual({ status: 0, output: "", errors: "" });
  });

  it("have the command where npx finds it", async () => {
    const help = await succeed(["npx", "--offline", "kad", "--help"], { cwd: project.folder });
    expect(help).toMatch(/^kad: .+\n\nUsage: kad COMMAND/);
  });

  it("have an entry for require()", async () => {
    const script = 'console.log(typeof require("@kad/dht").createNode)';
    const command = [process.execPath, "--no-warnings", "--input-type=commonjs", "--eval", script];
    expect(await succeed(command, { cwd: project.folder })).toBe("function\n");
  });
});

const { KAD_NIGHTLY }: { readonly KAD_NIGHTLY?: string } = process.env;

/** Programs on our pages run by day on the oldest Node, on the newest and on the others; those between run them at night. */
function isForNight(title: string): boolean {
  return KAD_NIGHTLY === undefined && (title.startsWith("Node 22.") || title.startsWith("Node 24."));
}

describe.each(titles)("on %s", (title) => {
  it.concurrent.for(["every-package", ...consumers])("%s", async (name, context) => {
    const { command } = find(title, context);
    const file = join(project.folder, "consumer", `${name}.js`);
    const outcome = await run([...command, file], { cwd: project.folder });
    expect(outcome).toEqual({ status: 0, output: "done\n", errors: "" });
  });

  it.concurrent.for(runnable)("$page, line $line", async (program, context) => {
    if (isForNight(title)) context.skip("it runs with `npm run test:nightly`");
    const { command } = find(title, context);
    const file = compiled(fileOf(program));
    if (program.isNative) skipWithoutKoffi(title, context);
    if (title.startsWith("Bun") && program.code.includes('from "node:test"'))
      context.skip("Bun runs tests by `bun test` alone");
    const options = { cwd: project.folder, ...(program.isNative && { env: withKoffi }) };
    const { status, output, errors } = await run([...command, file], options);
    expect({ status, errors }).toEqual({ status: 0, errors: "" });
    if (program.prints.length > 0) expect(output.trimEnd().split("\n")).toEqual(program.prints);
  });

  it.concurrent("the same traces and figures from the same seeds", async (context) => {
    expect(simulated).toMatchObject({ status: 0, output: expect.stringMatching(/\ndone\n$/), errors: "" });
    expect(await simulate(find(title, context))).toEqual(simulated);
  });

  it.concurrent("kad sim, with the same report", async (context) => {
    expect(reported).toMatchObject({
      status: 0,
      output: expect.stringMatching(/^\{"event":"report",/),
      errors: "",
    });
    expect(await kadSim(find(title, context))).toEqual(reported);
  });

  it.concurrent("kad demo", async (context) => {
    const { command } = find(title, context);
    const words = ["demo", "package.json", "--exit", "--nodes", "8", "--processes", "1"];
    const outcome = await run([...command, kadFile(), ...words], { cwd: project.folder });
    expect(outcome).toMatchObject({ status: 0, errors: "" });
  });

  it.concurrent("kad node, put, get and SIGTERM", async (context) => {
    const { command } = find(title, context);
    const kad = [...command, kadFile()];
    const [file, ...args] = [...kad, "node", "--listen", "udp://127.0.0.1:0", "--json"];
    const node = spawn(file as string, args, { cwd: project.folder, stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = (await once(node.stdout, "data")) as [Buffer];
      const { event, addresses } = JSON.parse(line.toString()) as { event: string; addresses: [string] };
      expect(event).toBe("listening");
      const there = ["--bootstrap", addresses[0]];
      const options = { cwd: project.folder, input: "a value\u0000 without an end" };
      const put = await succeed([...kad, "put", "-", ...there], options);
      const key = put.trimEnd().split("\n").at(-1) as string;
      expect(await succeed([...kad, "get", key, ...there], options)).toBe(options.input);
    } finally {
      node.kill("SIGTERM");
    }
    expect(await once(node, "exit")).toEqual([0, null]);
  });
});

function isThere(runtime: Runtime | MissingRuntime): runtime is Runtime {
  return "command" in runtime;
}

/** Skips the test where the runtime could not be had; what is told at the end says why. */
function find(title: string, context: TestContext): Runtime {
  const runtime = runtimes.find((one) => one.title === title) as Runtime | MissingRuntime;
  if (isThere(runtime)) return runtime;
  return context.skip(runtime.reason);
}

/** koffi is an optional peer, and so not in the project; `require` finds the one of this repository. */
const withKoffi = { NODE_PATH: join(root, "node_modules") };

function skipWithoutKoffi(title: string, context: TestContext): void {
  const reason = title.startsWith("Node ") ? whyNotNative() : "native calls are for Node alone";
  if (reason !== undefined) context.skip(reason);
}

async function writePrograms(): Promise<void> {
  const imports = [...published().values()].map((name, at) => `import * as package${at} from "${name}";\n`);
  const all = imports.map((_, at) => `package${at}`).join(", ");
  const every = `${imports.join("")}if ([${all}].every((one) => Object.keys(one).length > 0)) console.log("done");\n`;
  await project.write("consumer/every-package.ts", every);
  for (const name of [...consumers, sameTrace]) {
    const text = await readFile(join(root, "tools/packages/consumer", `${name}.ts`), "utf8");
    await project.write(`consumer/${name}.ts`, text);
  }
  for (const program of programs) await project.write(nameOf(program), program.code);
}

function nameOf({ page, line, language }: PageProgram): string {
  return `pages/${page.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${line}.${language}`;
}

function fileOf(program: PageProgram): string {
  return join(project.folder, nameOf(program));
}

function simulate({ command }: Runtime): Promise<Outcome> {
  return run([...command, join(project.folder, "consumer", `${sameTrace}.js`)], { cwd: project.folder });
}

function kadSim({ command }: Runtime): Promise<Outcome> {
  const network = ["--nodes", "20", "--hours", "0.05", "--lookups", "20", "--records", "2", "--loss", "5%"];
  const seeds = ["--seed", "7", "--seeds", "2", "--workers", "2", "--json"];
  return run([...command, kadFile(), "sim", ...network, ...seeds], { cwd: project.folder });
}

function kadFile(): string {
  return join(project.folder, "node_modules/@kad/cli/bin/kad.js");
}
