import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { UnavailableError } from "@kad/native";
import { posixUdp } from "@kad/transport-udp/posix";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

function missing(): string | undefined {
  try {
    posixUdp();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

const whyNot = missing();

it.skipIf(whyNot !== undefined)(
  `a put and a get complete with callbacks alone in a process whose own loop never turns${whyNot === undefined ? "" : `, skipped: ${whyNot}`}`,
  () => {
    const command = ["--conditions=@kad/source", "--import=tsx", "test/programs/put-and-get.ts"];
    const options = { cwd: folder, encoding: "utf8", timeout: 100_000, killSignal: "SIGKILL" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
    expect([stderr, stdout, status]).toEqual(["", "done\n", 0]);
  },
);
